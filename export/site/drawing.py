"""Where the parts of a net page's drawings lie: the chain to scale, and the curves of training. Numbers only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from export.site.chain import Link

TALL, THIN, GAP = 150.0, 3.0, 4.0
"""Pixels: the first map's height, the thinnest layer, and the space between two."""


@dataclass(frozen=True)
class Box:
    """A layer in the drawing: as tall as its map, as thick as the logarithm of its channels."""

    link: Link
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Drawing:
    """Boxes and the size of the canvas around them."""

    boxes: Sequence[Box]
    width: float
    height: float


def draw_chain(links: Sequence[Link], size: int) -> Drawing:
    """Return the layers of a chain from left to right.

    Heights are to one scale, the map's side; thickness is to another, the channels. Maps under two pixels are drawn
    two pixels high.

    Args:
        links: the layers.
        size: side of the pictures that the net takes.
    """
    widest = max(link.channels for link in links)
    boxes, x = [], GAP
    for link in links:
        height = max(TALL * link.size / size, 4.0)
        width = THIN if link.kind in ("pool", "mean") else THIN + 22 * link.channels / widest
        boxes.append(Box(link, round(x, 2), round((TALL - height) / 2 + GAP, 2), round(width, 2), round(height, 2)))
        x += width + GAP
    return Drawing(boxes, round(x, 2), TALL + 2 * GAP)


@dataclass(frozen=True)
class Curve:
    """One line of a chart: the points of an SVG polyline, and its last value."""

    title: str
    kind: str
    points: str
    last: float


@dataclass(frozen=True)
class Chart:
    """Curves over epochs with the marks of both axes, as (position, label)."""

    curves: Sequence[Curve]
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]
    width: float
    height: float


def draw_curves(history: Sequence[Mapping[str, float]], keys: Mapping[str, str], unit: str) -> Chart:
    """Return a chart of some columns of a training log.

    Args:
        history: one entry per epoch; a column may miss in some.
        keys: column → its title; the first word of a column, such as "train", is the curve's kind.
        unit: what follows a number on the vertical axis.
    """
    width, height = 480.0, 220.0
    found = {key: [(line["epoch"], line[key]) for line in history if key in line] for key in keys}
    values = [value for points in found.values() for _, value in points]
    last = int(max(line["epoch"] for line in history)) + 1
    low, high, step = _range(min(values), max(values))

    def place(epoch: float, value: float) -> tuple[float, float]:
        return round(width * (epoch + 1) / last, 1), round(height * (1 - (value - low) / (high - low)), 1)

    curves = [
        Curve(
            keys[key],
            "train" if key.startswith("train") else "test",
            " ".join(f"{x},{y}" for x, y in (place(*point) for point in points)),
            points[-1][1],
        )
        for key, points in found.items()
        if points
    ]
    across = [(place(epoch - 1, low)[0], str(epoch)) for epoch in _ticks(last)]
    count = round((high - low) / step)
    up = [(place(0, low + step * index)[1], f"{low + step * index:g}{unit}") for index in range(count + 1)]
    return Chart(curves, across, up, width, height)


def _range(low: float, high: float) -> tuple[float, float, float]:
    """Return round limits around values, and the step between the axis's marks."""
    rough = max(high - low, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _ticks(last: int) -> list[int]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if last / step <= 8)
    return [*range(0, last + 1, step)][1:]
