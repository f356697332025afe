"""The plots of docs/benchmarks.md, and how the plots of all reports are saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo.files import replace_file

Panel = Callable[[Axes], None]
"""Draws into the axes it is given."""


def save(path: Path, panels: Sequence[Panel], size: tuple[float, float] = (4.2, 3.2)) -> None:
    """Draw panels next to one another into a PNG file, each of this size in inches."""
    width, height = size
    figure = Figure(figsize=(width * len(panels), height), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axes)
        axes.grid(alpha=0.3)
    with replace_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})


def accuracy(title: str, nets: Mapping[str, Any], top1: Mapping[str, float | None]) -> Panel:
    """Return a panel of accuracy against the milliseconds of nets, given their quartiles."""

    def draw(axes: Axes) -> None:
        for name, found in nets.items():
            accurate, median = top1[name], found["ms"]["median"]
            if accurate is not None:
                ours = name.startswith("DiracNet")
                axes.plot(median, accurate, "o", color="C3" if ours else "C0")
                # Ours below and theirs above, because DiracNet-18 and ResNet-18 almost coincide.
                place = (5, -10 if ours else 3)
                axes.annotate(name, (median, accurate), textcoords="offset points", xytext=place, fontsize=8)
        axes.margins(x=0.25, y=0.12)
        axes.set(title=title, xlabel="ms a picture, median", ylabel="top-1 on ImageNet, published, %")

    return draw


def memory(nets: Mapping[str, Mapping[str, Any]]) -> Panel:
    """Return a panel of the peak memory of a process that gives one answer, by precision."""

    def draw(axes: Axes) -> None:
        names = list(nets)
        for shift, precision in ((-0.2, "fp32"), (0.2, "int8")):
            places = [index + shift for index in range(len(names))]
            axes.barh(places, [nets[name][precision]["memory_mb"] for name in names], height=0.38, label=precision)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(xlabel="largest memory of the process, MB")
        axes.legend()

    return draw
