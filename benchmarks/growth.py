"""Part `growth`: how a folded DiracNet's time grows with batch, size of the pictures, width, depth and threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import onnx

import zoo
from benchmarks.nets import multiply_adds, pictures
from benchmarks.pairs import Spread, rotate
from benchmarks.runners import THREADS, Call, onnx_runtime
from export import emit
from zoo import Spec

ROUNDS = 10
BASE = zoo.get_spec("diracnet18")
CIFAR = zoo.get_spec("diracnet28_cifar")


class Point(NamedTuple):
    """One measurement."""

    spec: Spec
    batch: int = 1
    size: int = 224
    threads: int = THREADS


AXES: Mapping[str, Mapping[float, Point]] = {
    "batch": {batch: Point(BASE, batch=batch) for batch in (1, 2, 4, 8, 16, 32)},
    "height and width, pixels": {size: Point(BASE, size=size) for size in (96, 160, 224, 288, 384)},
    "width": {width: Point(replace(BASE, width=width)) for width in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)},
    "depth, CIFAR nets at 32 px": {
        depth: Point(replace(CIFAR, depth=depth), size=32) for depth in (10, 16, 28, 52, 100)
    },
    "threads": {threads: Point(BASE, threads=threads) for threads in (1, 2)},
}
"""What is varied → its value → the point; all other things are those of DiracNet-18 at 224 px with two threads."""


def measure(tell: Callable[[str], None]) -> dict[str, Any]:
    """Return for each axis the points with milliseconds a picture and multiply-adds a picture."""
    axes = {}
    for axis, points in AXES.items():
        tell(axis)
        seconds = rotate({str(value): call for value, call in _calls(points)}, ROUNDS)
        axes[axis] = [
            {
                "value": value,
                "ms": asdict(Spread.of([1000 * one / point.batch for one in seconds[str(value)]])),
                "multiply_adds": multiply_adds(zoo.plain(point.spec).eval(), point.size),
            }
            for value, point in points.items()
        ]
    return {"axes": axes}


def _calls(points: Mapping[float, Point]) -> Iterator[tuple[float, Call]]:
    graphs: dict[Spec, onnx.ModelProto] = {}
    for value, point in points.items():
        if point.spec not in graphs:
            graphs[point.spec] = emit(zoo.plain(point.spec).eval())
        batch = pictures(point.batch, point.size)
        yield value, onnx_runtime(graphs[point.spec].SerializeToString(), batch, point.threads)
