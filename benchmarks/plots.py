"""The plots of docs/benchmarks.md."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo.files import replace_file


def _figure(panels: int) -> tuple[Figure, Any]:
    columns = min(panels, 3)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(4.6 * columns, 3.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in places[panels:]:
        spare.remove()
    return figure, places[:panels]


def _save(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
    with replace_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})


def _label(axes: Any, text: str, x: float, y: float) -> None:
    # Ours below and theirs above, because DiracNet-18 and ResNet-18 lie almost on each other.
    below = text.startswith("DiracNet")
    axes.annotate(text, (x, y), textcoords="offset points", xytext=(5, -10 if below else 3), fontsize=8)


def _colour(name: str) -> str:
    return "C3" if name.startswith("DiracNet") else "C0"


def accuracy(tables: Mapping[str, Mapping[str, Any]], top1: Mapping[str, float | None], path: Path) -> None:
    """Accuracy against milliseconds: a panel for each table, which maps nets to their quartiles."""
    figure, panels = _figure(len(tables))
    for axes, (title, nets) in zip(panels, tables.items(), strict=True):
        for name, found in nets.items():
            accurate = top1[name]
            if accurate is not None:
                axes.plot(found["ms"]["median"], accurate, "o", color=_colour(name))
                _label(axes, name, found["ms"]["median"], accurate)
        axes.margins(x=0.25, y=0.12)
        axes.set(title=title, xlabel="ms a picture, median", ylabel="top-1 on ImageNet, published, %")
    _save(figure, path)


def memory(nets: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """The largest memory of a process that gives one answer, by precision."""
    figure, (axes,) = _figure(1)
    names = list(nets)
    for shift, precision in ((-0.2, "fp32"), (0.2, "int8")):
        places = [index + shift for index in range(len(names))]
        axes.barh(places, [nets[name][precision]["memory_mb"] for name in names], height=0.38, label=precision)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="largest memory of the process, MB")
    axes.legend()
    _save(figure, path)
