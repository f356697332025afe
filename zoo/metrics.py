"""The figures that a net is measured by, and how they are written. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Metric(NamedTuple):
    """How one figure is written.

    Args:
        title: its name for people.
        table: format of the number with its unit, for tables.
        line: format of the number in a line of several figures.
    """

    title: str
    table: str
    line: str


METRICS: Mapping[str, Metric] = {
    "top1": Metric("top-1", "{:.2f}%", "{:.2f}%"),
    "top5": Metric("top-5", "{:.2f}%", "{:.2f}%"),
    "loss": Metric("loss", "{:.4g} nats", "{:.4f}"),
}
"""Key → how the figure is written, in the order in which figures are listed."""


def figure(name: str, value: float) -> str:
    """Return one figure with its unit: `figure("top1", 91.2)` is `"91.20%"`.

    Raises:
        ValueError: no metric has this name.
    """
    if name not in METRICS:
        raise ValueError(f"no metric is named {name!r}; there are {', '.join(METRICS)}")
    return METRICS[name].table.format(value)


def figures(metrics: Mapping[str, float]) -> str:
    """Return figures in one line, `"top-1 91.20%, top-5 99.10%, loss 0.3100"`; other keys are left out."""
    known = ((metric, metrics[name]) for name, metric in METRICS.items() if name in metrics)
    return ", ".join(f"{metric.title} {metric.line.format(value)}" for metric, value in known)
