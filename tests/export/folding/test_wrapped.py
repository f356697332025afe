"""Folding what training leaves: synchronized and frozen norms, averages, wrappers of devices, processes, compilers."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

import zoo
from export import fold, layer_errors
from export.graphs.emit import emit

INPUT = torch.randn(2, 3, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def frozen(net: nn.Module) -> nn.Module:
    """As detection does: every BatchNorm2d becomes torchvision's frozen one."""
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            norm = FrozenBatchNorm2d(module.num_features, eps=module.eps).double().train(module.training)
            norm.load_state_dict({k: v for k, v in module.state_dict().items() if k != "num_batches_tracked"})
            net.set_submodule(name, norm)
    return net


def averaged(net: nn.Module) -> nn.Module:
    average = torch.optim.swa_utils.AveragedModel(net, use_buffers=True)
    average.update_parameters(net)
    return average.eval()


def in_processes(net: nn.Module, folder: Path) -> nn.Module:
    store = torch.distributed.FileStore(str(folder / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        return nn.parallel.DistributedDataParallel(net).eval()
    finally:
        torch.distributed.destroy_process_group()


def compiled(net: nn.Module) -> nn.Module:
    return torch.compile(net, backend="eager").eval()


LEFT: dict[str, Callable[[nn.Module, Path], nn.Module]] = {
    "synchronized": lambda net, _: nn.SyncBatchNorm.convert_sync_batchnorm(net).eval(),
    "frozen": lambda net, _: frozen(net),
    "average": lambda net, _: averaged(net),
    "devices": lambda net, _: nn.DataParallel(net).eval(),
    "processes": in_processes,
    "compiled": lambda net, _: compiled(net),
    "compiled in place": lambda net, _: net.compile(backend="eager") or net,
    "all": lambda net, folder: compiled(in_processes(averaged(net), folder)),
}


def users() -> nn.Module:
    """Lazy norms become stock ones with the first batch."""
    net = nn.Sequential(
        zoo.DiracConv2d(3, 4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)
    )
    net(INPUT.float())
    return net


NETS = {"DiracNet": lambda: zoo.diracnet(depth=10, width=0.25, family="cifar"), "user's": users}


@pytest.mark.parametrize("build", NETS.values(), ids=NETS)
@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
@pytest.mark.filterwarnings("ignore:.*SWALR|.*AveragedModel:UserWarning")
def test_what_training_leaves_is_folded(
    left: Callable, build: Callable[[], nn.Module], randomised: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net = randomised(build()).double()
    expected = net(INPUT)
    model = left(copy.deepcopy(net), tmp_path)
    folded = fold(model)
    torch.testing.assert_close(folded(INPUT), expected, rtol=1e-10, atol=1e-10)
    assert type(folded) is nn.Sequential
    norms = (nn.modules.batchnorm._BatchNorm, FrozenBatchNorm2d)
    assert not any(isinstance(module, norms) for module in folded.modules())
    if isinstance(net, zoo.DiracNet):
        emit(folded.float(), {})
    else:
        assert max(entry.error for entry in layer_errors(model, folded, INPUT)) < 1e-10


class Around(nn.Module):
    """A user's net with a part that is used twice, and a part within that."""

    def __init__(self) -> None:
        super().__init__()
        inner = nn.Sequential(zoo.DiracConv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.body = self.again = nn.Sequential(zoo.DiracConv2d(3, 4, 3), nn.BatchNorm2d(4), inner)
        self.head, self.norm = nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.head(self.body(x) + self.again(x)))


@pytest.mark.parametrize("left", [pytest.param(each, id=name) for name, each in LEFT.items() if name != "all"])
@pytest.mark.filterwarnings("ignore:.*SWALR|.*AveragedModel:UserWarning")
def test_wrapped_parts_are_folded(left: Callable, randomised: Callable[[nn.Module], nn.Module], tmp_path: Path) -> None:
    """However deep a wrapper is, and however often it is used; the original keeps its wrappers."""
    torch.manual_seed(0)
    net = randomised(Around()).double()
    expected = net(INPUT)
    for number in range(2):
        (tmp_path / str(number)).mkdir()
    net.body[2] = left(net.body[2], tmp_path / "0")
    net.body = net.again = left(net.body, tmp_path / "1")
    classes = [type(module) for module in net.modules()]
    folded = fold(net)
    torch.testing.assert_close(folded(INPUT), expected, rtol=1e-10, atol=1e-10)
    assert [type(module) for module in net.modules()] == classes
    norms = (nn.modules.batchnorm._BatchNorm, FrozenBatchNorm2d)
    assert not any(isinstance(module, norms) for module in folded.modules())
    assert folded.body is folded.again and type(folded.body) is nn.Sequential


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_what_the_jit_compiled_is_refused_by_name() -> None:
    net = nn.Sequential(zoo.DiracConv2d(3, 4, 3), nn.BatchNorm2d(4)).double().eval()
    traced = torch.jit.trace(net, INPUT)
    for model, name in ((traced, "this"), (nn.Sequential(traced).eval(), "0")):
        with pytest.raises(ValueError, match=rf"{name} was compiled by torch\.jit.*fold the net before"):
            fold(model)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda net: torch.compile(net, backend="eager")])
def test_train_mode_is_seen_through_a_wrapper(wrap: Callable[[nn.Module], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"train mode.*model\.eval\(\)"):
        fold(wrap(zoo.diracnet(depth=10, width=0.25, family="cifar")))


def test_a_forward_of_its_own_is_refused_by_name() -> None:
    net = nn.Sequential(zoo.DiracConv2d(3, 4, 3)).eval()
    net[0].forward = lambda x: 2 * x
    with pytest.raises(ValueError, match="0 cannot be folded: it has forward hooks, or a forward of its own"):
        fold(net)


def test_a_norm_of_another_arithmetic_stays(randomised: Callable[[nn.Module], nn.Module]) -> None:
    class Squared(nn.SyncBatchNorm):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input).square()

    net = randomised(nn.Sequential(zoo.DiracConv2d(3, 4, 3), Squared(4))).double()
    folded = fold(net)
    torch.testing.assert_close(folded(INPUT), net(INPUT))
    assert isinstance(folded[1], Squared)
