"""Paired timings: on a machine that others use too, only a ratio of neighbours in time means something."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """Two calls to be timed in alternation."""

    name: str
    first: Callable[[], object]
    second: Callable[[], object]
    rounds: int


@dataclass(frozen=True)
class Ratio:
    """Quartiles of a / b over the rounds, and the median milliseconds of each."""

    name: str
    low: float
    median: float
    high: float
    first_ms: float
    second_ms: float
    rounds: int


def paired(name: str, first: Callable[[], object], second: Callable[[], object], *, rounds: int) -> Ratio:
    """Time two calls in alternation, the order reversed every other round, after two rounds that do not count."""
    times: list[tuple[float, float]] = []
    for index in range(rounds + 2):
        if index % 2:
            b, a = _seconds(second), _seconds(first)
        else:
            a, b = _seconds(first), _seconds(second)
        if index >= 2:
            times.append((a, b))
    low, median, high = statistics.quantiles([a / b for a, b in times], n=4)
    first_ms, second_ms = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    return Ratio(name, low, median, high, first_ms, second_ms, rounds)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
