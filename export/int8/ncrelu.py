"""NCReLU, rewritten for int8: (max(x, 0), min(x, 0)) in the float net is (x, max(x, 0)) in the int8 net.

Both hold the same, because min(x, 0) = x - max(x, 0). The second form needs no quantization parameters of its own:
both halves keep those of x, and no value changes. This file is the only one that knows what the halves are, their
order, and what follows for the next layer's kernel and for gains; the graph, the calibration and the reference call it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

_Value = TypeVar("_Value")


def halves(x: _Value, relu: Callable[[_Value], _Value]) -> tuple[_Value, _Value]:
    """Return the two halves in the order of their channels.

    Args:
        x: what the NCReLU is applied to: a tensor, or the name of one in a graph.
        relu: computes max(x, 0) of it.

    Example:
        >>> halves(-2.0, lambda x: max(x, 0.0))
        (-2.0, 0.0)
    """
    return x, relu(x)


def values(x: Tensor) -> Tensor:
    """Return the output of a rewritten NCReLU, (batch, C, *) → (batch, 2 C, *).

    Example:
        >>> values(torch.tensor([[-2.0, 3.0]]))
        tensor([[-2.,  3.,  0.,  3.]])
    """
    return torch.cat(halves(x, lambda x: x.clamp_min(0)), dim=1)


def kernel(kernel: Tensor) -> Tensor:
    """Return the kernel that takes the rewritten halves, from the float net's kernel, (out, 2 C, …) both.

    A·max(x, 0) + B·min(x, 0) = B·x + (A - B)·max(x, 0). The identity of version 1 stands in A and B alike, so it
    cancels in the second half.

    Example:
        >>> kernel(torch.tensor([[5.0, 4.0]]))
        tensor([[4., 1.]])
    """
    positive, negative = kernel.chunk(2, dim=1)
    return torch.cat((negative, positive - negative), dim=1)


def gains(gains: Tensor) -> Tensor:
    """Return the gains of both halves' channels, (2 C,), from those of x, (C,); above zero, so max(x, 0) scales alike.

    Example:
        >>> gains(torch.tensor([1.0, 2.0]))
        tensor([1., 2., 1., 2.])
    """
    return gains.repeat(2)
