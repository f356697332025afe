"""Plots of a run: loss, accuracy and learning rate over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.files import replace_file


def plot_curves(history: Sequence[dict[str, Any]], path: Path) -> None:
    """Plot the lines of `metrics.jsonl` to a PNG file, with a curve for the held-out pictures if the run has any.

    Equal lines give equal bytes with the same versions of matplotlib.

    Raises:
        ModuleNotFoundError: matplotlib, of the `train` extra, is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 3), layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [line["epoch"] + 1 for line in history]
    panels: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
        ("loss", (("train_loss", "training"), ("loss", "held out"))),
        ("top-1, %", (("train_top1", "training"), ("top1", "held out"))),
        ("learning rate", (("lr", "at the epoch's end"),)),
    )
    for axes, (title, lines) in zip(figure.subplots(1, 3), panels, strict=True):
        for key, label in lines:
            if history and key in history[0]:
                axes.plot(epochs, [line[key] for line in history], marker=".", label=label)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    with replace_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})
