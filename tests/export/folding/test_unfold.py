"""Unfolding: the training form that computes what a folded net computes, and that can be trained."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import zoo
from export import fold, unfold
from zoo import DiracNet, Spec

SPECS = [
    Spec(depth=10, width=0.25, family="cifar", num_classes=4),
    Spec(depth=10, width=0.25, family="cifar", version=1, num_classes=4, final_relu=False),
    Spec(depth=18, width=1 / 16, num_classes=5, in_channels=1),
    Spec(depth=18, width=1 / 16, version=1, num_classes=5),
]
every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.name}-{spec.final_relu}")


def pictures(spec: Spec, count: int = 6) -> torch.Tensor:
    size = 2 * spec.min_size + 3
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, spec.in_channels, size, size + 4, generator=generator, dtype=torch.float64)


@pytest.fixture
def folded(spec: Spec, randomised: Callable) -> nn.Sequential:
    torch.manual_seed(0)
    return fold(randomised(DiracNet(spec)).double())


def error(expected: torch.Tensor, found: torch.Tensor) -> float:
    return ((expected - found).abs().max() / expected.abs().max()).item()


@every_spec
@pytest.mark.parametrize("calibrated", [False, True])
def test_the_same_in_eval_mode_and_folded_again(spec: Spec, folded: nn.Sequential, calibrated: bool) -> None:
    given = pictures(spec)
    state = {name: tensor.clone() for name, tensor in folded.state_dict().items()}
    net = unfold(folded, given if calibrated else None)
    assert type(net) is DiracNet and net.spec == spec and not net.training
    other = pictures(spec, 9) + 1
    assert error(folded(other), net(other)) < 1e-10
    again = fold(net)
    for name, tensor in again.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=1e-12 * state[name].abs().max().item())
        assert torch.equal(folded.state_dict()[name], state[name])


@every_spec
def test_the_same_in_train_mode_on_the_pictures_given(spec: Spec, folded: nn.Sequential) -> None:
    given = pictures(spec)
    calibrated, bare = unfold(folded, given).train(), unfold(folded).train()
    assert error(folded(given), calibrated(given)) < 1e-8
    assert error(folded(given), bare(given)) > 1e-2


@every_spec
def test_a_training_step_moves_every_parameter_and_lowers_the_loss(spec: Spec, folded: nn.Sequential) -> None:
    given, targets = pictures(spec), torch.arange(6) % spec.num_classes
    net = unfold(folded, given).train()
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-5)
    first = F.cross_entropy(net(given), targets)
    first.backward()
    optimizer.step()
    assert F.cross_entropy(net(given), targets) < first
    assert not [name for name, parameter in net.named_parameters() if torch.equal(before[name], parameter)]


@pytest.mark.parametrize("version", [1, 2])
def test_filters_without_a_kernel_or_without_a_rest(version: int) -> None:
    spec = Spec(depth=10, width=0.25, family="cifar", version=version)
    torch.manual_seed(0)
    folded = zoo.plain(spec).double()
    with torch.no_grad():
        first, second = (folded.get_submodule(f"group0.block{block}.conv") for block in (0, 1))
        first.weight[1] = 0
        second.weight[2] = zoo.dirac_delta(second.weight, delta=spec.block.delta)[2] * 3
    given = pictures(spec)
    for net in (unfold(folded), unfold(folded, given)):
        assert all(tensor.isfinite().all() for tensor in net.state_dict().values())
        assert error(folded(given), net(given)) < 1e-10
        net.train()(given).sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


def test_dtype_and_random_numbers_are_kept() -> None:
    folded = zoo.get_model("diracnet16_cifar", weights="cifar10", folded=True)
    state = torch.get_rng_state()
    given = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        net = unfold(folded, given)
    assert torch.equal(state, torch.get_rng_state())
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
    assert error(folded(given), net(given)) < 1e-5
    net.train()(given).sum().backward()


def edited(name: str, module: nn.Module) -> nn.Sequential:
    net = zoo.get_model("diracnet10_cifar", folded=True)
    parent, _, last = name.rpartition(".")
    net.get_submodule(parent).add_module(last, module)
    return net


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (zoo.get_model("diracnet10_cifar"), "not a DiracNet"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "not a DiracNet file"),
        (edited("group1.block0.relu", nn.GELU()), r"differs in group1\.block0\.relu"),
        (edited("dropout", nn.Dropout()), "differs in dropout"),
        (edited("max_pool1", nn.Identity()), r"differs in max_pool1"),
    ],
    ids=["training form", "other net", "activation", "more", "less"],
)
def test_other_nets_are_refused(net: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unfold(net)
