"""Measures of how far outputs are from the expected ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Norm = Callable[[NDArray[Any]], float]


def relative_error(expected: Sequence[NDArray[Any]], found: Sequence[NDArray[Any]], smallest: float = 0.0) -> float:
    """Return the largest error among a net's outputs, which are its logits followed by its features.

    The error of the logits is their largest difference relative to the largest logit, or to `smallest` if that is
    larger: in integers, small logits have the same steps as large ones. A feature has thousands of
    values, so its error is the norm of the difference relative to the norm of the feature. The error is infinite if
    outputs are missing, shapes differ or a value is not finite.
    """
    if len(expected) != len(found):
        return float("inf")
    features = [_error(_length, one, other) for one, other in zip(expected[1:], found[1:], strict=True)]
    return max([_error(_largest, expected[0], found[0], smallest), *features])


def largest_error(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the largest absolute difference between two arrays, relative to the largest absolute value expected."""
    return _error(_largest, expected, found)


def _error(norm: Norm, expected: NDArray[Any], found: NDArray[Any], smallest: float = 0.0) -> float:
    if expected.shape != found.shape or not (np.isfinite(expected).all() and np.isfinite(found).all()):
        return float("inf")
    return norm(expected.astype(np.float64) - found) / max(norm(expected), smallest, float(np.finfo(np.float32).tiny))


def _largest(values: NDArray[Any]) -> float:
    return float(np.abs(values).max())


def _length(values: NDArray[Any]) -> float:
    return float(np.linalg.norm(values.astype(np.float64).ravel()))
