"""Evaluates a folded net with results that do not depend on the machine: not on processor, threads or library.

Sums of floating-point numbers depend on their order, and every processor chooses its own. Here each factor is cut into
slices of so few bits that float64 holds every partial sum of products exactly; exact sums have no order. The remaining
operations are elementwise, where IEEE 754 leaves no choice. The result differs from the true one by about 1e-12.

The splitting is that of Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication by using
fast routines of matrix multiplication and its applications" (Numerical Algorithms 59, 2012).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.folding.chain import leaves
from zoo import NCReLU

_DIGITS = 53  # bits of float64's significand
_SLICE = 24  # bits of float32's, the size of a weight's slices


@torch.inference_mode()
def evaluate_exactly(folded: nn.Sequential, batch: Tensor) -> dict[str, Tensor]:
    """Return the output of every leaf of a folded net, float64, with the same bits on every machine.

    Args:
        folded: a chain as `export.emit` takes it.
        batch: (batch, channels, height, width), in any floating-point type.
    """
    value, outputs = batch.double(), {}
    for name, module in leaves(folded):
        value = outputs[name] = _apply(module, value)
    return outputs


def _apply(module: Any, value: Tensor) -> Tensor:
    match module:
        case nn.Conv2d():
            result = _contract(
                lambda x, w: F.conv2d(
                    x, w, None, module.stride, cast(Any, module.padding), module.dilation, module.groups
                ),
                value,
                module.weight,
            )
        case nn.Linear():
            result = _contract(F.linear, value, module.weight)
        case nn.AdaptiveAvgPool2d():
            count = value.shape[-2] * value.shape[-1]
            bits = _DIGITS - math.ceil(math.log2(count)) - 1
            ((pixels, unit),) = _slices(value, bits, 1)
            return pixels.sum((-2, -1), keepdim=True) * unit / count
        case nn.ReLU() | NCReLU() | nn.MaxPool2d() | nn.Flatten():
            return cast(Tensor, module(value))
        case _:
            raise ValueError(f"{type(module).__name__} is not a layer of a folded net")
    return result if module.bias is None else result + module.bias.double().reshape(-1, *[1] * (result.ndim - 2))


def _contract(product: Callable[[Tensor, Tensor], Tensor], value: Tensor, weight: Tensor) -> Tensor:
    """Return a sum of products whose partial sums are integers below 2**53 times a power of two.

    Each factor has two slices; the product of the two smaller slices is below the last bit that counts.
    """
    bits = min(_SLICE, (_DIGITS - 1 - math.ceil(math.log2(weight[0].numel()))) // 2)
    (x_high, x_unit), (x_low, x_small) = _slices(value, bits, 2)
    (w_high, w_unit), (w_low, w_small) = _slices(weight, bits, 2)
    # Powers of two: scaling by them is exact.
    result = product(x_high, w_high) * (x_unit * w_unit)
    result += product(x_high, w_low) * (x_unit * w_small)
    result += product(x_low, w_high) * (x_small * w_unit)
    return result


def _slices(value: Tensor, bits: int, count: int) -> list[tuple[Tensor, float]]:
    """Split a value into `count` pairs of integers of at most `bits` bits, in float64, and a unit.

    The products of integers and unit add up to the value. Every step is exact even in the value's own type.
    """
    exponent = math.frexp(value.abs().max().item())[1]
    slices = []
    for index in range(1, count + 1):
        unit = math.ldexp(1.0, exponent - index * bits)
        whole = (value * (1 / unit)).round_()
        slices.append((whole.double(), unit))
        if index < count:
            value = value - whole * unit
    return slices
