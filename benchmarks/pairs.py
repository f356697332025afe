"""Timings in alternation: on a shared machine only the ratio of two neighbouring timings means anything."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

WARM_UP = 2


@dataclass(frozen=True)
class Case:
    """Two calls to be timed in alternation.

    Args:
        name: of the comparison.
        first: the call whose time is divided.
        second: the call by whose time it is divided.
        rounds: how often.
        clock: what tells the seconds; `time.thread_time` leaves out what other processes took, for calls that compute
            in this thread alone.
    """

    name: str
    first: Callable[[], object]
    second: Callable[[], object]
    rounds: int
    clock: Callable[[], float] = time.perf_counter


@dataclass(frozen=True)
class Spread:
    """Quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Return the quartiles of values."""
        return cls(*statistics.quantiles(values, n=4))


@dataclass(frozen=True)
class Ratio(Spread):
    """Quartiles of a / b over the rounds, and the median milliseconds of both."""

    name: str
    first_ms: float
    second_ms: float
    rounds: int


def rotate(
    calls: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Time calls one after the other, round by round, after two warm-up rounds.

    The first call changes from round to round and every other round runs backwards, so that no call always follows the
    same one.

    Returns:
        Seconds of each call, one number per round.
    """
    names = list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    for index in range(rounds + WARM_UP):
        shift = index // 2 % len(names)
        order = names[shift:] + names[:shift]
        for name in order[::-1] if index % 2 else order:
            start = clock()
            calls[name]()
            if index >= WARM_UP:
                times[name].append(clock() - start)
    return times


def paired(case: Case) -> Ratio:
    """Time two calls in alternation."""
    firsts, seconds = rotate({"first": case.first, "second": case.second}, case.rounds, case.clock).values()
    spread = Spread.of([a / b for a, b in zip(firsts, seconds, strict=True)])
    first_ms, second_ms = 1000 * statistics.median(firsts), 1000 * statistics.median(seconds)
    return Ratio(spread.low, spread.median, spread.high, case.name, first_ms, second_ms, case.rounds)


def all_paired(cases: Iterable[Case], tell: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Time the cases and return the ratios by name. A case from an iterator is freed before the next one is made."""
    found = {}
    for case in cases:
        tell(case.name)
        found[case.name] = asdict(paired(case))
    return found
