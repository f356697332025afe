"""Which whole numbers take the place of a layer's weights: by what the layer then computes, not weight by weight.

A Dirac filter is one large tap, the identity, and many small ones that were learned. A scale that holds the large tap
leaves the learned ones few steps, and rounding each to the nearest costs most of an int8 net's error. Rounding up or
down, AdaRound's choice (Nagel et al., arXiv 2004.10568), can do better, because the inputs of a filter are correlated:
one weight's error can undo another's. Its objective is quadratic in the rounded weights, so it is minimized here
without gradients: coordinate by coordinate, which needs no tuning and no random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from export.int8.record import LEVELS

DAMPING = 1e-3
"""Share of the mean square of the inputs that is added to each, for directions in which the sample had no input."""
SHARES = tuple(index / 50 for index in range(25, 51))
"""Of a filter's largest weight, that the largest whole number may stand for; a smaller scale has finer steps."""
_SWEEPS, _BLOCK = 20, 64


@dataclass(frozen=True)
class Moments:
    """What rounding must know of a layer's inputs: x in the float net, x̂ in the int8 net so far.

    Args:
        gram: E[x̂ x̂ᵀ], (n, n) in float64, of the inputs of one filter.
        cross: E[x x̂ᵀ], likewise.
        mean: E[x], (n,).
        quantized_mean: E[x̂], (n,).
    """

    gram: Tensor
    cross: Tensor
    mean: Tensor
    quantized_mean: Tensor

    @classmethod
    def measure(cls, exact: Tensor, quantized: Tensor) -> Moments:
        """Return the moments of samples, (rows, n) both."""
        count = len(exact)
        return cls(
            gram=(quantized.T @ quantized).double() / count,
            cross=(exact.T @ quantized).double() / count,
            mean=exact.double().mean(0),
            quantized_mean=quantized.double().mean(0),
        )

    def centred(self) -> Moments:
        """Return the moments about the means: the error that is left where a bias makes up for the means."""
        return Moments(
            gram=self.gram - torch.outer(self.quantized_mean, self.quantized_mean),
            cross=self.cross - torch.outer(self.mean, self.quantized_mean),
            mean=torch.zeros_like(self.mean),
            quantized_mean=torch.zeros_like(self.quantized_mean),
        )

    def damped(self) -> Moments:
        """Return moments that hold every weight to its place a little, also where the sample says nothing."""
        little = DAMPING * self.gram.diagonal().mean().clamp_min(1e-12) * torch.eye(len(self.gram), dtype=torch.float64)
        return Moments(self.gram + little, self.cross + little, self.mean, self.quantized_mean)


def largest_scales(kernel: Tensor) -> Tensor:
    """Return for each filter, (out, n), the scale that holds its largest weight; (out,)."""
    largest = kernel.abs().amax(1)
    return torch.where(largest > 0, largest, 1.0) / LEVELS


def nearest(kernel: Tensor, scales: Tensor) -> Tensor:
    """Return the nearest whole numbers, (out, n) in float64."""
    return (kernel / scales[:, None]).round().clamp(-LEVELS, LEVELS)


def clipped_scales(kernel: Tensor, moments: Moments) -> Tensor:
    """Return for each filter the scale, of those that `SHARES` allows, whose nearest whole numbers err least."""
    best_error, best = torch.full((len(kernel),), torch.inf, dtype=torch.float64), largest_scales(kernel)
    for share in SHARES:
        # Rounded as the record keeps them.
        scales = (share * largest_scales(kernel)).float().double()
        rounded = nearest(kernel, scales) * scales[:, None]
        error = ((rounded @ moments.gram) * rounded).sum(1) - 2 * (rounded * (kernel @ moments.cross)).sum(1)
        best = torch.where(error < best_error, scales, best)
        best_error = torch.minimum(error, best_error)
    return best


def least_error(kernel: Tensor, scales: Tensor, moments: Moments) -> Tensor:
    """Round each weight up or down so that E[(kernel·x - scales·codes·x̂)²] falls until no single change lowers it.

    Args:
        kernel: (out, n) in float64.
        scales: (out,).
        moments: of the inputs, damped.

    Returns:
        Whole numbers, (out, n) in float64; each within one step of its weight, or at the end of the scale.
    """
    exact = kernel / scales[:, None]
    low, high = exact.floor().clamp(-LEVELS, LEVELS), exact.ceil().clamp(-LEVELS, LEVELS)
    codes = nearest(kernel, scales)
    slopes = (codes * scales[:, None]) @ moments.gram - kernel @ moments.cross
    curvatures = moments.gram.diagonal()
    for _ in range(_SWEEPS):
        before = codes.clone()
        # Within a block only its own slopes are kept up to date, behind it all are, by one product of matrices.
        for start in range(0, kernel.shape[1], _BLOCK):
            block = slice(start, start + _BLOCK)
            gram, slope = moments.gram[block, block], slopes[:, block].clone()
            changes = torch.zeros_like(slope)
            for column in range(slope.shape[1]):
                place = start + column
                wanted = codes[:, place] - (slope[:, column] / (curvatures[place] * scales)).round()
                chosen = torch.clamp(wanted, low[:, place], high[:, place])
                changes[:, column] = (chosen - codes[:, place]) * scales
                codes[:, place] = chosen
                slope += changes[:, column, None] * gram[column]
            slopes += changes @ moments.gram[block]
        if torch.equal(codes, before):
            break
    return codes
