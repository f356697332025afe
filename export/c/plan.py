"""The memory of an int8 net in C: where each map lies in the caller's scratch, so that little is needed.

A chain keeps nothing but the map that the next step takes. A convolution with as many outputs as inputs writes over its
input, row by row: rows that it has already overwritten, and the one that it is at, are copied to a ring of a few rows
first. A pool writes over its input from the front. Only where channels grow do two maps stand side by side, and there
both are small, because a pool comes before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from export.integer.net import Convolution, IntegerNet, MaxPool, Mean, Step


@dataclass(frozen=True)
class Map:
    """An int8 map in the scratch.

    Args:
        start: its first byte.
        size: height and width.
        channels: bytes per pixel.
    """

    start: int
    size: int
    channels: int

    @property
    def row(self) -> int:
        """Bytes of a row."""
        return self.size * self.channels

    @property
    def bytes(self) -> int:
        """Bytes of the whole map."""
        return self.size * self.row

    @property
    def end(self) -> int:
        """The byte after its last one."""
        return self.start + self.bytes


@dataclass(frozen=True)
class Place:
    """A step with its memory.

    Args:
        step: what is computed.
        input: the map that it takes, or None for the picture, which lies outside the scratch.
        output: the map that it gives, or None for the logits, which lie outside, too.
        size: height and width of the picture or map that it takes.
        patch: the first byte of a convolution's patch, which holds the inputs of one pixel.
        ring: the first byte of its ring of rows, or None if it does not write over its input.
    """

    step: Step
    input: Map | None
    output: Map | None
    size: int
    patch: int = 0
    ring: int | None = None


@dataclass(frozen=True)
class Plan:
    """The steps with their memory, and how many bytes they need together."""

    places: tuple[Place, ...]
    scratch: int

    @property
    def largest_map(self) -> Map:
        """The largest map."""
        return max((place.output for place in self.places if place.output is not None), key=lambda each: each.bytes)


def plan(net: IntegerNet) -> Plan:
    """Return where each step of a net finds its input, its output and its working memory.

    Example:
        >>> plan(lower(folded, record, CIFAR)).scratch  # of diracnet16_cifar, whose largest map has 16384 bytes
        17552
    """
    places: list[Place] = []
    source: Map | None = None
    size, scratch = net.size, 0
    for step in net.steps:
        target = None if step is net.steps[-1] else _target(step, source, size)
        place = Place(step, source, target, size)
        if isinstance(step, Convolution):
            in_place = source is not None and target is not None and source.start == target.start
            ring = (step.padding + 1) * source.row if source is not None and in_place else 0
            patch = step.weight[0].size
            work = _first_gap(patch + ring, (source, target))
            place = Place(step, source, target, size, work, work + patch if in_place else None)
            scratch = max(scratch, work + patch + ring)
        places.append(place)
        if target is not None:
            scratch = max(scratch, target.end)
            source, size = target, target.size
    return Plan(tuple(places), scratch)


def _target(step: Step, source: Map | None, size: int) -> Map:
    """Return where a step's output lies."""
    match step:
        case Convolution():
            count, kernel = len(step.bias), step.weight.shape[1]
            after = (size + 2 * step.padding - kernel) // step.stride + 1
            # Row by row over the input, if its rows become rows of the same length.
            if source is not None and (after, count) == (source.size, source.channels) and step.stride == 1:
                return source
            return Map(_first_gap(after * after * count, (source,)), after, count)
        case MaxPool():
            after = (size + 2 * step.padding - step.size) // step.stride + 1
        case Mean():
            after = 1
    if source is None:
        raise ValueError(f"{step.name}: a net starts with a convolution")
    return Map(source.start, after, source.channels)


def _first_gap(count: int, maps: Iterable[Map | None]) -> int:
    """Return the first place where so many bytes do not touch one of the maps."""
    start = 0
    for taken in sorted((each for each in maps if each is not None), key=lambda each: each.start):
        if start + count <= taken.start:
            break
        start = max(start, taken.end)
    return start
