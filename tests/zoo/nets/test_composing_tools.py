"""Within `zoo.composed_together`: the numbers and gradients of layers that compose by themselves."""

import copy
import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

import zoo

Net = Callable[[torch.Tensor], torch.Tensor]
IMAGES = torch.randn(2, 4, 9, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """PyTorch deprecates many of its tools."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def two() -> nn.Sequential:
    return nn.Sequential(*(zoo.DiracConv2d(4, 4, 3, padding=1) for _ in range(3)))


def pruned(net: nn.Sequential) -> Net:
    prune.l1_unstructured(net[1], "weight", 0.5)
    with torch.no_grad():
        net[1].weight_orig.normal_()  # what an optimizer's step does
    return net


def spectral(net: nn.Sequential) -> Net:
    nn.utils.spectral_norm(net[1]).eval()
    return net


def normed(net: nn.Sequential) -> Net:
    nn.utils.weight_norm(net[1])
    with torch.no_grad():
        net[1].weight_g.normal_()
    return net


def prehooked(net: nn.Sequential) -> Net:
    def double(module: nn.Module, _: object) -> None:
        with torch.no_grad():
            module.weight.copy_(weight + 1)

    weight = net[1].weight.detach().clone()
    net[1].register_forward_pre_hook(double)
    return net


def with_parameters(net: nn.Sequential) -> Net:
    given = {name: torch.randn_like(parameter) for name, parameter in net.named_parameters()}
    return lambda x: torch.func.functional_call(net, given, (x,))


def changed(net: nn.Sequential) -> Net:
    weight = torch.randn(4, 4, 3, 3)

    def call(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            net[1].weight.copy_(weight)
        return net(x)

    return call


def parametrized_too(net: nn.Sequential) -> Net:
    parametrizations.weight_norm(net[1])
    return net


def offloaded(net: nn.Sequential) -> Net:
    def call(x: torch.Tensor) -> torch.Tensor:
        with torch.autograd.graph.save_on_cpu():
            return net(x)

    return call


SOURCES = {
    "pruning": pruned,
    "spectral norm": spectral,
    "weight norm": normed,
    "new weight norm": parametrized_too,
    "pre-hook": prehooked,
    "functional_call": with_parameters,
    "changed within": changed,
    "copied within": lambda net: lambda x: copy.deepcopy(net)(x),
    "traced within": lambda net: lambda x: torch.jit.trace(net, x)(x),
    "fx within": lambda net: lambda x: torch.fx.symbolic_trace(net)(x),
    "compiled within": lambda net: torch.compile(net, backend="aot_eager", fullgraph=True),
    "average": AveragedModel,
    "checkpoint": lambda net: lambda x: checkpoint(net, x, use_reentrant=False),
    "reentrant": lambda net: lambda x: checkpoint(net, x, use_reentrant=True),
    "segments": lambda net: lambda x: checkpoint_sequential(net, 3, x, use_reentrant=False),
    "reentrant segments": lambda net: lambda x: checkpoint_sequential(net, 3, x, use_reentrant=True),
    "kept on the CPU": offloaded,
}


def slopes(net: nn.Sequential, output: torch.Tensor) -> dict[str, torch.Tensor]:
    net.zero_grad()
    output.square().sum().backward()
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("backward_within", [False, True])
def test_within_composed_together_weights_count_as_they_are_at_the_call(source: str, backward_within: bool) -> None:
    torch.manual_seed(0)
    net = two()
    call, x = SOURCES[source](net), IMAGES.clone().requires_grad_()
    expected = call(x)
    gradients = slopes(net, expected)
    with zoo.composed_together(net):
        output = call(x)
        if backward_within:
            found = slopes(net, output)
    if not backward_within:
        found = slopes(net, output)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(found, gradients)
    assert not any("composed" in vars(layer) and layer.composed for layer in net)


def test_blocks_may_be_nested() -> None:
    net = two()
    with zoo.composed_together(net):
        outer = [layer.composed_weight() for layer in net]
        with zoo.composed_together(net):
            assert net[0].composed_weight() is not outer[0]
        assert all(layer.composed_weight() is kernel for layer, kernel in zip(net, outer, strict=True))
    assert all(layer.composed is None for layer in net)


def test_a_block_without_gradients_gives_none_away() -> None:
    net = two()
    with torch.no_grad(), zoo.composed_together(net), torch.enable_grad():
        net(IMAGES).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
