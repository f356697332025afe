"""Kernels composed together are those composed one by one, with their gradients."""

import pytest
import torch
from torch import nn

import zoo
from zoo.models import DiracNet
from zoo.nets import composing

SPECS = [
    zoo.Spec(depth=16, width=0.5, family="cifar"),
    zoo.Spec(depth=16, width=0.5, family="cifar", version=1),
    zoo.Spec(depth=18, width=0.125),
]


class Mixed(nn.Sequential):
    """Layers that are alike but for one thing each, and some that are alike."""

    def __init__(self) -> None:
        super().__init__(
            *(zoo.DiracConv1d(4, 4, 3, padding="same") for _ in range(3)),
            *(zoo.DiracConv1d(4, 4, 3, padding="same", groups=2) for _ in range(2)),
            *(zoo.DiracConv1d(4, 4, 3, padding="same", scale="scalar", groups=2) for _ in range(2)),
            zoo.DiracConv1d(4, 8, 3, padding="same", delta="tiled"),
            nn.ReLU(),
            zoo.DiracConv1d(8, 4, 5, padding="same"),
            zoo.DiracConv1d(4, 4, 3, padding="same", groups=4, scale="scalar"),
        )


def gradients(net: nn.Module, given: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(net(given).square().sum(), list(net.parameters())))


@pytest.mark.parametrize("spec", [*SPECS, None], ids=lambda spec: spec.name if spec else "mixed")
def test_outputs_and_gradients_are_those_of_layers_by_themselves(spec: zoo.Spec | None, randomised) -> None:
    net = randomised(DiracNet(spec) if spec else Mixed()).double().train()
    given = torch.randn(2, *((3, 64, 64) if spec else (4, 9)), dtype=torch.float64)
    expected, slopes = net(given), gradients(net, given)
    with zoo.composed_together(net):
        torch.testing.assert_close(net(given), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(gradients(net, given), slopes, rtol=1e-10, atol=1e-10)


def test_layers_that_are_alike_are_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    compose = composing.dirac_weight
    monkeypatch.setattr(
        composing, "dirac_weight", lambda *parts, **more: counts.append(more["groups"]) or compose(*parts, **more)
    )
    with zoo.composed_together(zoo.get_model("diracnet28_cifar")):
        pass
    # Three groups of eight layers; the first of the second and third group has fewer inputs than the others.
    assert sorted(counts) == [1, 1, 7, 7, 8]


def test_afterwards_layers_compose_by_themselves_again() -> None:
    net = zoo.get_model("diracnet10_cifar")
    names = list(net.state_dict())
    with pytest.raises(KeyError), zoo.composed_together(net):
        assert list(net.state_dict()) == names
        raise KeyError
    layer = net.group0.block0.conv
    before = layer.composed_weight()
    with torch.no_grad():
        layer.alpha.add_(1)
    assert layer.composed is None and not torch.equal(layer.composed_weight(), before)


def test_other_nets_are_left_alone() -> None:
    net = nn.Conv2d(3, 4, 3)
    given = torch.randn(1, 3, 8, 8)
    with zoo.composed_together(net):
        assert torch.equal(net(given), net(given))


def test_weights_that_are_shards_between_calls_are_left_to_their_layers() -> None:
    """As FSDP and DeepSpeed leave them: a part of the values, or none, in a vector."""
    net = zoo.get_model("diracnet10_cifar")
    layers = [module for module in net.modules() if isinstance(module, zoo.DiracConv2d)]
    whole = [layer.weight for layer in layers]
    for layer in layers[1:]:
        layer._parameters["weight"] = nn.Parameter(layer.weight.detach().flatten()[:0])
    with zoo.composed_together(net):
        assert layers[0].composed is not None and not any(layer.composed for layer in layers[1:])
        for layer, weight in zip(layers, whole, strict=True):  # gathered
            layer._parameters["weight"] = weight
        inside = net(torch.ones(2, 3, 32, 32))
    torch.testing.assert_close(inside, net(torch.ones(2, 3, 32, 32)))
