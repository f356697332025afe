"""The figures that a net is measured by, and how they are written. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Metric(NamedTuple):
    """How one figure is written.

    Args:
        title: what people call it.
        unit: what follows the number in a table, with the space between.
        decimals: digits after the point.
    """

    title: str
    unit: str
    decimals: int


METRICS: Mapping[str, Metric] = {
    "top1": Metric("top-1", " %", 2),
    "top5": Metric("top-5", " %", 2),
    "loss": Metric("loss", " nats", 4),
}
"""Key → how it is written, in the order in which they are told."""


def figure(name: str, value: float, *, unit: bool = True) -> str:
    """Return one figure with its unit: `figure("top1", 91.2)` is `"91.20 %"`.

    Raises:
        ValueError: no metric has this name.
    """
    if name not in METRICS:
        raise ValueError(f"no metric is named {name!r}; there are {', '.join(METRICS)}")
    metric = METRICS[name]
    return f"{value:.{metric.decimals}f}{metric.unit if unit else ''}"


def figures(metrics: Mapping[str, float]) -> str:
    """Return figures in one line: `"top-1 91.20 %, top-5 99.10 %, loss 0.3100"`; keys that are no metrics are skipped.

    The loss goes without its unit, as training logs write it.
    """
    return ", ".join(
        f"{metric.title} {figure(name, metrics[name], unit=name != 'loss')}"
        for name, metric in METRICS.items()
        if name in metrics
    )
