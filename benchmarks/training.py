"""Part `training`: the cost that Dirac kernels and the pictures add to a training step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torchvision.transforms import v2

import zoo
from benchmarks.comparators import plain
from benchmarks.nets import multiply_adds
from benchmarks.pairs import Case, all_paired
from zoo.nets.conv import DiracConv2d
from zoo.preprocessing import CIFAR
from zoo.training.data import Batch, Pictures, Place
from zoo.training.heap import kept_heap
from zoo.training.recipes import RECIPES

NET, WIDE_NET = "diracnet28_cifar", "diracnet10_x4_cifar"
BATCH, SIZE = 128, 32
ROUNDS = 15
Precision = Literal["float32", "bf16"]
_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
LIMITS: Mapping[Precision, float] = {"float32": 1.25, "bf16": 1.5}
"""What a step should not exceed, as a multiple of its multiply-adds' time."""
_STEPS_IN_A_HEAP = 5
_SIDE = 1024
_PICTURES = 5000


def measure(tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the ratios by name, and the shares of a step's operators."""
    return {"ratios": all_paired(cases(), tell), "operators": operators(_step(zoo.get_model(NET)))}


def operators(step: Callable[[], None], steps: int = 10) -> dict[str, float]:
    """Return PyTorch's operators and their shares of the time of a step, in percent."""
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(steps):
            step()
    times = {each.key: each.self_cpu_time_total for each in profiled.key_averages()}
    total = sum(times.values())
    return {name: 100 * time / total for name, time in times.items()}


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield dirac_step()
    yield Case(
        "28-layer CIFAR net, batch 128: Dirac training step / with each kernel composed by itself",
        _step(zoo.get_model(NET)),
        _step(zoo.get_model(NET), lambda net: nullcontext()),
        ROUNDS,
    )
    yield Case(
        "28-layer CIFAR net, batch 128: Dirac training step / with a dense delta added each step",
        _step(zoo.get_model(NET)),
        _step(_dense(zoo.get_model(NET))),
        ROUNDS,
    )
    for precision in LIMITS:
        yield product_step(precision)
    yield compiled_step()
    yield kept_step()
    step = _step(zoo.get_model(NET))
    batches = _batches()
    one_by_one = _one_by_one()
    yield Case(
        "128 augmented pictures from memory / the 28-layer net's training step with them",
        lambda: next(batches),
        step,
        ROUNDS,
    )
    yield Case(
        "128 augmented pictures: from memory, a batch at a time / torchvision, picture by picture",
        lambda: next(batches),
        one_by_one,
        ROUNDS,
    )
    yield Case(
        "A step's share of an epoch, pictures and training: from memory / torchvision, picture by picture",
        lambda: (next(batches), step()),
        lambda: (one_by_one(), step()),
        ROUNDS,
    )


def product_step(precision: Precision) -> Case:
    """Return a step of the 28-layer CIFAR net versus its multiply-adds, forward and backward, as matrix products."""
    net = zoo.get_model(NET)
    return Case(
        product_name(precision),
        _step(net, precision=precision),
        _products(3 * BATCH * multiply_adds(net, SIZE), _DTYPES[precision]),
        ROUNDS,
    )


def product_name(precision: Precision) -> str:
    """Return the name of `product_step`'s case."""
    return f"28-layer CIFAR net, batch 128, {precision}: training step / its multiply-adds as matrix products"


def compiled_step() -> Case:
    """Return a compiled step of the 28-layer CIFAR net versus one that is not."""
    compiled = zoo.get_model(NET)
    compiled.compile()
    return Case(
        "28-layer CIFAR net, batch 128: training step with `--compile` / without",
        _step(compiled, lambda net: nullcontext()),
        _step(zoo.get_model(NET)),
        ROUNDS,
    )


def kept_step() -> Case:
    """Return some steps of a wide CIFAR net in a heap that is kept, as in `diracnet train`, versus one that is not."""
    step = _step(zoo.get_model(WIDE_NET))

    def steps() -> None:
        for _ in range(_STEPS_IN_A_HEAP):
            step()

    def kept() -> None:
        with kept_heap(torch.device("cpu")):
            steps()

    return Case(
        "Wide CIFAR net (DiracNet-10-4), batch 128: training steps in a heap that is kept / in one that is not",
        kept,
        steps,
        ROUNDS,
    )


def dirac_step() -> Case:
    """Return a step of the 28-layer CIFAR net versus one of the same net with plain convolutions."""
    return Case(
        "28-layer CIFAR net, batch 128: Dirac training step / plain training step",
        _step(zoo.get_model(NET)),
        _step(plain(zoo.get_spec(NET))),
        ROUNDS,
    )


class _DenseDirac(nn.Module):
    """The convolution as the original code has it: a dense delta, scaled and added at each step."""

    def __init__(self, conv: DiracConv2d) -> None:
        super().__init__()
        self.weight, self.alpha, self.beta = conv.weight, conv.alpha, conv.beta
        self.register_buffer("delta", zoo.dirac_delta(conv.weight.detach()))

    def forward(self, input: Tensor) -> Tensor:
        column = (-1, 1, 1, 1)
        normalized = F.normalize(self.weight.flatten(1)).view_as(self.weight)
        kernel = self.alpha.view(column) * cast(Tensor, self.delta) + self.beta.view(column) * normalized
        return F.conv2d(input, kernel, padding=1)


def _dense(net: nn.Module) -> nn.Module:
    for name, module in list(net.named_modules()):
        if isinstance(module, DiracConv2d):
            net.set_submodule(name, _DenseDirac(module))
    return net


def _products(multiply_adds: int, dtype: torch.dtype) -> Callable[[], None]:
    """Return a call that does so many multiply-adds as products of square matrices, which fit in the caches."""
    first, second = (torch.randn(_SIDE, _SIDE).to(dtype) for _ in range(2))
    product = torch.empty(_SIDE, _SIDE, dtype=dtype)

    def products() -> None:
        for _ in range(round(multiply_adds / _SIDE**3)):
            torch.mm(first, second, out=product)

    return products


def _step(
    net: nn.Module,
    composing: Callable[[nn.Module], AbstractContextManager[None]] = zoo.composed_together,
    precision: Precision = "float32",
) -> Callable[[], None]:
    """Return a training step as in `diracnet train`; `composed_together` leaves nets without Dirac layers alone."""
    model = net.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
    images = torch.randn(BATCH, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    targets = torch.randint(10, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        with composing(model), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), targets)
        loss.backward()
        optimizer.step()

    return step


def _pictures() -> Pictures:
    images = torch.randint(256, (_PICTURES, 32, 32, 3), dtype=torch.uint8)
    return Pictures(images, torch.zeros(_PICTURES, dtype=torch.long), ("a",))


def _batches() -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from _pictures().batches(CIFAR, RECIPES["cifar-short"], Place(seed=0, epoch=epoch))
        epoch += 1


def _one_by_one() -> Callable[[], object]:
    """Return the usual pipeline: pictures are padded, cropped, mirrored and normalized one by one, then stacked."""
    transforms = v2.Compose(
        [
            v2.RandomCrop(32, padding=4, padding_mode="reflect"),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(CIFAR.mean), list(CIFAR.std)),
        ]
    )
    pictures = [v2.functional.to_pil_image(one.permute(2, 0, 1)) for one in _pictures().images[:BATCH]]
    return lambda: torch.stack([transforms(picture) for picture in pictures])
