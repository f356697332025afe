"""Turns logits into the most probable classes. Imports only numpy, because it serves the nets of every runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """A class and its probability, between 0 and 1."""

    label: str
    probability: float


def rank(
    logits: NDArray[np.float32], labels: Mapping[str, str], top: int = 5, temperature: float = 1.0
) -> list[Prediction]:
    """Return the `top` classes of a row of logits, most probable first; all, if there are fewer.

    Args:
        logits: (classes,).
        labels: names of the classes, by index as a string.
        top: number of classes, at least 1.
        temperature: what the logits are divided by; the softmax of that are the probabilities.

    Raises:
        TypeError, ValueError: `top` is not a whole number, or is below 1.
        FloatingPointError: a logit is not a finite number, so that no class has a probability.
    """
    if not isinstance(top, int) or isinstance(top, bool):
        raise TypeError(f"top={top!r}: must be a whole number, at least 1")
    if top < 1:
        raise ValueError(f"top={top}: must be at least 1")
    if not np.isfinite(logits).all():
        raise FloatingPointError(
            "the net computes no finite numbers for it: its weights are damaged, or too large for this precision"
        )
    exponentials = np.exp((logits - logits.max()) / temperature)
    probabilities = exponentials / exponentials.sum()
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [Prediction(labels.get(str(index), f"class {index}"), float(probabilities[index])) for index in order]
