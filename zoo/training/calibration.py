"""Whether a net's probabilities are right: the calibration error, and the temperature that lowers it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.preprocessing import TEMPERATURES
from zoo.training.evaluate import Answers

BINS = 15
"""Number of bins of the calibration error, as in Guo et al., arXiv 1706.04599."""


@dataclass(frozen=True)
class Bin:
    """Pictures whose most probable class has a probability within a range.

    Args:
        pictures: how many there are.
        confidence: their mean probability, in percent.
        top1: the share of them that is classified right, in percent.
    """

    pictures: int
    confidence: float
    top1: float


def reliability(answers: Answers, temperature: float = 1.0, bins: int = BINS) -> list[Bin]:
    """Sort pictures into bins of equal width by the probability of their most probable class.

    The bins lie side by side between 0 and 1; each includes its upper bound. Empty bins are left out.

    Args:
        answers: a net's answers.
        temperature: what the logits are divided by before the softmax.
        bins: how many bins there are.
    """
    confidence = (answers.logits.double() / temperature).softmax(dim=1).amax(dim=1)
    # The upper bounds below 1: whatever exceeds the last of them, 1 itself included, is in the last bin.
    place = torch.bucketize(confidence, torch.arange(1, bins, dtype=torch.float64) / bins)
    found = []
    for index in range(bins):
        inside = place == index
        if inside.any():
            values = (100 * each[inside].double().mean().item() for each in (confidence, answers.right))
            found.append(Bin(int(inside.sum()), *values))
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error in percentage points.

    That is the mean difference between confidence and accuracy of the bins of `reliability`, without their signs,
    weighted by their pictures.
    """
    total = sum(each.pictures for each in bins)
    return sum(each.pictures / total * abs(each.confidence - each.top1) for each in bins)


def fit_temperature(answers: Answers) -> float:
    """Return the temperature at which the answers' cross-entropy is least.

    A single number, by which all logits are divided: it changes probabilities, and never which class is the most
    probable one (Guo et al., arXiv 1706.04599).

    Raises:
        ValueError: no temperature within the allowed range is best, as when all answers are right.
    """
    logits, rows = answers.logits.double(), torch.arange(len(answers.targets))
    own = logits[rows, answers.targets].mean()

    def slope(temperature: float) -> Tensor:
        """The cross-entropy's derivative by 1 / temperature; it falls as the temperature rises."""
        return ((logits / temperature).softmax(dim=1) * logits).sum(dim=1).mean() - own

    low, high = TEMPERATURES
    if not slope(low) > 0 > slope(high):
        raise ValueError(
            f"no temperature between {low:g} and {high:g} suits these {len(rows):,} answers, of which "
            f"{int(answers.right.sum()):,} are right; fit it on pictures that the net was not trained on"
        )
    while high / low > 1 + 1e-9:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return math.sqrt(low * high)
