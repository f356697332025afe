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
    """Return the `top` classes of a row of logits, most probable first; labels are keyed by the index as a string.

    Probabilities are the softmax of the logits divided by the temperature.
    """
    exponentials = np.exp((logits - logits.max()) / temperature)
    probabilities = exponentials / exponentials.sum()
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [Prediction(labels.get(str(index), f"class {index}"), float(probabilities[index])) for index in order]
