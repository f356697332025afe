"""Values on grids: which grid suits values, their codes on it, and what the codes stand for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from export.int8.record import STEPS, Grid
from zoo import Preprocessing

SHARES = tuple(index / 50 for index in range(15, 51))
"""Of the range that occurs, that a grid may hold; values beyond its end are clipped to it."""
_SAMPLE = 1 << 18


def input_grid(preprocessing: Preprocessing) -> Grid:
    """Return the grid that holds every value that a picture's pixels can become."""
    ends = [(level - m) / s for level in (0, 1) for m, s in zip(preprocessing.mean, preprocessing.std, strict=True)]
    return _holding(min(ends), max(ends))


def value_grid(values: Tensor, clip: bool) -> Grid:
    """Return a grid for values: one that holds all, or with `clip` that whose mean square error is least.

    Raises:
        ValueError: a value is not finite.
    """
    low, high = values.min().item(), values.max().item()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("the net computes values that are not finite; it cannot be quantized")
    if not clip:
        return _holding(low, high)
    flat = values.flatten()
    sample = torch.cat((flat[:: max(1, len(flat) // _SAMPLE)], torch.tensor([low, high])))
    grids = [_holding(share * low, share * high) for share in SHARES]
    return min(grids, key=lambda grid: (decode(encode(sample, grid), grid) - sample).square().mean().item())


def encode(values: Tensor, grid: Grid) -> Tensor:
    """Return the uint8 codes nearest to values, as QuantizeLinear computes them."""
    return ((values / grid.scale).round() + grid.zero_point).clamp(0, STEPS).to(torch.uint8)


def decode(codes: Tensor, grid: Grid) -> Tensor:
    """Return the float32 numbers that codes stand for."""
    return (codes.float() - grid.zero_point) * grid.scale


def _holding(low: float, high: float) -> Grid:
    """Return the grid that reaches from low to high; it always holds zero, because paddings are zeros."""
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return Grid(1.0, 0)  # nothing but zeros
    # Eight significant bits, rounded up: the last bits of a processor's sums must not decide a file's bytes.
    mantissa, exponent = math.frexp((high - low) / STEPS)
    scale = math.ldexp(math.ceil(mantissa * 256) / 256, exponent)
    return Grid(scale, round(-low / scale))
