"""Where the parts of a net page's drawings lie: the chain to scale, and the curves of training. Numbers only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from export.site.chain import Link

TALL, THIN, GAP, WIDE, LABEL = 190.0, 4.0, 5.0, 1130.0, 20.0
"""Pixels: the pictures' height, the thinnest layer, the space between two, the whole width, and a line of text."""
THICKEST, ROOM = 60.0, 48.0


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
    """Boxes, the size of the canvas around them, and the sizes of maps that stand under them, where they change."""

    boxes: Sequence[Box]
    sizes: Sequence[tuple[float, str]]
    width: float
    height: float


def draw_chain(links: Sequence[Link], size: int) -> Drawing:
    """Return the layers of a chain from left to right.

    Heights are to one scale, the map's side; thickness is to another, the channels, on top of a thinnest layer's.

    Args:
        links: the layers.
        size: side of the pictures that the net takes.
    """
    thick = [0 if link.kind in ("pool", "mean") else link.channels for link in links]
    scale = (WIDE - GAP - len(links) * (THIN + GAP)) / sum(thick)
    scale = max(min(scale, (THICKEST - THIN) / max(thick)), 0.0)
    boxes: list[Box] = []
    sizes: list[tuple[float, str]] = []
    x = GAP
    for link, channels in zip(links, thick, strict=True):
        height, width = max(TALL * link.size / size, THIN), THIN + scale * channels
        told = f"{link.size}×{link.size}"
        if link.kind == "conv" and (not sizes or (sizes[-1][1] != told and x > sizes[-1][0] + ROOM)):
            sizes.append((round(x, 2), told))
        boxes.append(Box(link, round(x, 2), round((TALL - height) / 2 + GAP, 2), round(width, 2), round(height, 2)))
        x += width + GAP
    return Drawing(boxes, sizes, round(x, 2), TALL + 2 * GAP + LABEL)


@dataclass(frozen=True)
class Curve:
    """One line of a chart: the points of an SVG polyline, and its last value."""

    title: str
    kind: str
    points: str
    last: float


@dataclass(frozen=True)
class Chart:
    """Curves over epochs with the marks of both axes, as (position, label), and what follows a number."""

    curves: Sequence[Curve]
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]
    width: float
    height: float
    unit: str


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
    return Chart(curves, across, up, width, height, unit)


def _range(low: float, high: float) -> tuple[float, float, float]:
    """Return round limits around values, and the step between the axis's marks."""
    rough = max(high - low, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _ticks(last: int) -> list[int]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if last / step <= 8)
    return [*range(0, last + 1, step)][1:]
