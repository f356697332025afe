"""What is folded into what: nets that look as if they could be folded, and whether the result is still right."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

import zoo
from export import fold, layer_errors
from zoo import DiracConv2d

INPUT = torch.randn(2, 4, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def dirac() -> DiracConv2d:
    return DiracConv2d(4, 4, 3, padding=1)


class Doubled(DiracConv2d):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


class Centred(nn.Conv2d):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(input, self.weight - self.weight.mean(), self.bias)


class Net(nn.Module):
    """Convolution, norm, Dirac convolution; subclasses call them as they like."""

    calls = 0

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv, self.bn, self.last = conv, nn.BatchNorm2d(4), dirac()


class OptionalNorm(Net):
    def forward(self, input: torch.Tensor, norm: bool | None = None) -> torch.Tensor:
        x = self.conv(input)
        return self.last(x if norm is None else self.bn(x))


class ReadsKernel(Net):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.last(self.bn(self.conv(input))) + self.conv.weight.sum()


class ReadsNorm(Net):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.last(self.bn(self.conv(input))) + self.bn.weight.sum()


class Remembers(Net):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.seen = self.bn(self.conv(input))
        return self.last(self.seen)


class Softmax(zoo.DiracNet):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input).softmax(1)


def with_head(head: nn.Module) -> nn.Module:
    net = zoo.get_model("diracnet10_cifar", in_channels=4)
    net.fc = head
    return net


def folding_error(net: nn.Module) -> float:
    """Largest difference of what the folded net gives, relative to the largest value."""
    with torch.no_grad():
        expected = net(INPUT)
        return ((fold(net)(INPUT) - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(dirac(), Centred(4, 4, 3), nn.BatchNorm2d(4)),
        lambda: OptionalNorm(dirac()),
        lambda: ReadsKernel(nn.Conv2d(4, 4, 3, padding=1)),
        lambda: ReadsNorm(dirac()),
        lambda: Softmax(zoo.Spec(depth=10, family="cifar", in_channels=4)),
        lambda: with_head(nn.Sequential(nn.Dropout(), nn.Linear(64, 3))),
        lambda: with_head(nn.Identity()),
    ],
    ids=["subclass", "optional", "reads kernel", "reads norm", "subclassed net", "other head", "no head"],
)
def test_what_cannot_be_paired_stays_and_the_result_is_right(
    build: Callable[[], nn.Module], randomised: Callable[[nn.Module], nn.Module]
) -> None:
    assert folding_error(randomised(build()).double()) <= 1e-10


def edited(path: str, module: nn.Module) -> nn.Module:
    net = zoo.get_model("diracnet10_cifar", in_channels=4)
    parent, _, name = path.rpartition(".")
    net.get_submodule(parent).add_module(name, module)
    return net


def doubling(path: str) -> nn.Module:
    net = zoo.get_model("diracnet10_cifar", in_channels=4)
    net.get_submodule(path).register_forward_hook(lambda module, args, output: 2 * output)
    return net


@pytest.mark.parametrize(
    "build",
    [
        lambda: edited("group0.block0.act", nn.GELU()),
        lambda: edited("group1.extra", nn.Sigmoid()),
        lambda: edited("group1.block0.conv", nn.Conv2d(16, 32, 3, stride=2, padding=1)),
        lambda: edited("group1.block1.bn", nn.Identity()),
        lambda: edited("fc", nn.Linear(64, 3)),
        lambda: doubling("fc"),
        lambda: doubling(""),
    ],
    ids=["activation", "extra layer", "stride", "no norm", "classes", "hook on fc", "hook on the net"],
)
def test_an_edited_net_is_not_taken_for_its_spec(
    build: Callable[[], nn.Module], randomised: Callable[[nn.Module], nn.Module]
) -> None:
    assert folding_error(randomised(build()).double()) <= 1e-10


def test_what_is_folded_in_inference_mode_can_be_trained() -> None:
    with torch.inference_mode():
        folded = fold(nn.Sequential(dirac(), nn.BatchNorm2d(4)).eval())
    folded(INPUT.float()).sum().backward()
    assert folded[0].weight.grad is not None


def hooked() -> nn.Module:
    net = nn.Sequential(dirac(), nn.BatchNorm2d(4))
    net[0].register_forward_hook(lambda module, args, output: 2 * output)
    return net


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Sequential(Doubled(4, 4, 3)), "0 cannot be folded: its class Doubled computes"),
        (lambda: Doubled(4, 4, 3), "Doubled cannot be folded: its class"),
        (lambda: ReadsKernel(zoo.dirac(nn.Conv2d(4, 4, 3, padding=1))), "conv cannot be folded: the model's"),
        (lambda: ReadsKernel(dirac()), r"forward reads conv\.weight"),
        (hooked, "0 cannot be folded: it has forward hooks"),
    ],
    ids=["subclass", "bare subclass", "reads parametrized", "reads kernel", "hooks"],
)
def test_a_dirac_layer_that_cannot_be_folded_is_named(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fold(build().eval())


def test_folding_leaves_no_trace_in_the_original(randomised: Callable[[nn.Module], nn.Module]) -> None:
    net = randomised(Remembers(dirac()))
    state = torch.get_rng_state()
    fold(net)
    assert net.calls == 0 and not hasattr(net, "seen")
    assert torch.equal(state, torch.get_rng_state())


def test_layer_errors_sees_through_operations_in_place() -> None:
    net = nn.Sequential(dirac(), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).eval().double()
    net[1].bias.data.fill_(-100)
    altered = fold(net)
    altered[0].bias.data -= 50
    assert layer_errors(net, altered, INPUT)[0].error > 0.1
    assert layer_errors(dirac().double().eval(), fold(dirac().double().eval()), INPUT)[0].layer == ""


def test_a_dirac_convolution_is_not_parametrized_again() -> None:
    with pytest.raises(ValueError, match="is a Dirac convolution already"):
        zoo.dirac(dirac())
