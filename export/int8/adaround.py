"""Adaptive rounding (AdaRound): quantizing a layer's weights by what the layer then computes, not weight by weight.

A Dirac filter is one large tap, the identity, and many small learned ones. A scale that holds the large tap leaves the
learned ones few steps, and rounding each to the nearest causes much of an int8 net's error. Choosing between rounding
up and rounding down, as AdaRound does (Nagel et al., arXiv 2004.10568), can do better: the inputs of a filter are
correlated, so one weight's error can cancel another's. AdaRound relaxes that choice and learns it by gradient descent.
Its objective is quadratic in the rounded weights, though, so here it is minimized by coordinate descent, which needs
neither tuning nor random numbers.

Weights are symmetric with a scale per output channel. Shapes: `out` filters of `n` weights each, flattened.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from export.int8.activation import squarable
from export.int8.record import WEIGHT_MAX

DAMPING = 1e-3
"""Added to the diagonal of the Gram matrix, as a share of its mean, for directions in which the sample has no input."""
CLIPPING_RATIOS = tuple(index / 50 for index in range(25, 51))
"""The shares of a filter's largest weight that MSE clipping tries as the largest representable one."""
_SWEEPS, _BLOCK = 20, 64


@dataclass(frozen=True)
class Moments:
    """The moments of a layer's inputs that the rounding error depends on: x in the float net, x̂ in the int8 net so far.

    Args:
        gram: E[x̂ x̂ᵀ], (n, n) in float64.
        cross: E[x x̂ᵀ], (n, n) in float64.
        mean: E[x], (n,) in float64.
        quantized_mean: E[x̂], (n,) in float64.
    """

    gram: Tensor
    cross: Tensor
    mean: Tensor
    quantized_mean: Tensor

    @classmethod
    def measure(cls, exact: Tensor, quantized: Tensor) -> Moments:
        """Return the moments of samples, both (rows, n), in any unit: products of large ones would exceed float32."""
        count = len(exact)
        unit = squarable(exact, quantized)
        ours, theirs = (exact, quantized) if unit == 1 else (exact / unit, quantized / unit)
        return cls(
            gram=(theirs.T @ theirs).double() * (unit * unit / count),
            cross=(ours.T @ theirs).double() * (unit * unit / count),
            mean=exact.double().mean(0),
            quantized_mean=quantized.double().mean(0),
        )

    def centred(self) -> Moments:
        """Return the moments about the means: what is left to minimize when the bias corrects the mean error."""
        return Moments(
            gram=self.gram - torch.outer(self.quantized_mean, self.quantized_mean),
            cross=self.cross - torch.outer(self.mean, self.quantized_mean),
            mean=torch.zeros_like(self.mean),
            quantized_mean=torch.zeros_like(self.quantized_mean),
        )

    def damped(self) -> Moments:
        """Return moments with `DAMPING`, so that each weight is pulled a little towards its unrounded value."""
        little = DAMPING * self.gram.diagonal().mean().clamp_min(1e-12) * torch.eye(len(self.gram), dtype=torch.float64)
        return Moments(self.gram + little, self.cross + little, self.mean, self.quantized_mean)


def absmax_scales(kernel: Tensor) -> Tensor:
    """Return for each filter the scale that represents its largest weight, (out,), from a kernel (out, n).

    Example:
        >>> absmax_scales(torch.tensor([[-2.54, 1.0]]))
        tensor([0.0200])
    """
    largest = kernel.abs().amax(1)
    # At least a little above float32's smallest normal number, so that a share of it is still no zero.
    return (torch.where(largest > 0, largest, 1.0) / WEIGHT_MAX).clamp_min(4 * torch.finfo(torch.float32).tiny)


def mse_scales(kernel: Tensor, moments: Moments) -> Tensor:
    """Return for each filter the scale with the least mean square error of its output, by rounding to the nearest.

    Args:
        kernel: (out, n) in float64.
        moments: those of the layer's inputs.

    Returns:
        (out,) in float64, rounded to float32: `CLIPPING_RATIOS` of `absmax_scales`, so that the largest weights may
        saturate.
    """
    best_error, best = torch.full((len(kernel),), torch.inf, dtype=torch.float64), absmax_scales(kernel)
    for ratio in CLIPPING_RATIOS:
        scales = (ratio * absmax_scales(kernel)).float().double()
        rounded = round_to_nearest(kernel, scales) * scales[:, None]
        error = ((rounded @ moments.gram) * rounded).sum(1) - 2 * (rounded * (kernel @ moments.cross)).sum(1)
        best = torch.where(error < best_error, scales, best)
        best_error = torch.minimum(error, best_error)
    return best


def round_to_nearest(kernel: Tensor, scales: Tensor) -> Tensor:
    """Return each weight rounded to the nearest integer and saturated, (out, n) in the kernel's dtype.

    Example:
        >>> round_to_nearest(torch.tensor([[0.26, -9.0]]), torch.tensor([0.05]))
        tensor([[   5., -127.]])
    """
    return (kernel / scales[:, None]).round().clamp(-WEIGHT_MAX, WEIGHT_MAX)


def round_adaptively(kernel: Tensor, scales: Tensor, moments: Moments) -> Tensor:
    """Round each weight up or down, so that no single other choice lowers the layer's mean square error.

    The error is E[(kernel·x - scales·quantized·x̂)²]. Coordinate descent starts from the nearest integers.

    Args:
        kernel: (out, n) in float64.
        scales: (out,) in float64.
        moments: those of the layer's inputs, damped.

    Returns:
        Integers, (out, n) in float64; each within one step of its weight, or saturated.
    """
    exact = kernel / scales[:, None]
    low, high = exact.floor().clamp(-WEIGHT_MAX, WEIGHT_MAX), exact.ceil().clamp(-WEIGHT_MAX, WEIGHT_MAX)
    quantized = round_to_nearest(kernel, scales)
    slopes = (quantized * scales[:, None]) @ moments.gram - kernel @ moments.cross
    curvatures = moments.gram.diagonal()
    for _ in range(_SWEEPS):
        before = quantized.clone()
        # Within a block only the block's own slopes are kept up to date; one matrix product then updates all of them.
        for start in range(0, kernel.shape[1], _BLOCK):
            block = slice(start, start + _BLOCK)
            gram, slope = moments.gram[block, block], slopes[:, block].clone()
            changes = torch.zeros_like(slope)
            for column in range(slope.shape[1]):
                place = start + column
                wanted = quantized[:, place] - (slope[:, column] / (curvatures[place] * scales)).round()
                chosen = torch.clamp(wanted, low[:, place], high[:, place])
                changes[:, column] = (chosen - quantized[:, place]) * scales
                quantized[:, place] = chosen
                slope += changes[:, column, None] * gram[column]
            slopes += changes @ moments.gram[block]
        if torch.equal(quantized, before):
            break
    return quantized
