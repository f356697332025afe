"""The plots of docs/paper.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmarks.paper.evidence import LABELS, Trained
from benchmarks.plots import Panel
from zoo.nets.identity import IdentityShare

COLOURS = {"DiracNet": "C0", "plain": "C1", "ResNet": "C2"}


def convergence(runs: Sequence[Trained], key: str, label: str) -> Panel:
    """Return a panel of `key` over the epochs, one line per run."""

    def draw(axes: Axes) -> None:
        for run in runs:
            epochs = [line["epoch"] + 1 for line in run.history]
            axes.plot(epochs, [line[key] for line in run.history], ".-", color=COLOURS[run.net], label=run.title)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()

    return draw


def over_depth(runs: Sequence[Trained], key: str, label: str) -> Panel:
    """Return a panel of `key` in the last epoch over the depth, one line per kind of net."""

    def draw(axes: Axes) -> None:
        for net in dict.fromkeys(run.net for run in runs):
            line = sorted((run.spec.depth, run.history[-1][key]) for run in runs if run.net == net)
            axes.plot(*zip(*line, strict=True), "o-", color=COLOURS[net], label=LABELS[net])
        axes.set(xlabel="layers", ylabel=label, xscale="log")
        ticks = sorted({run.spec.depth for run in runs})
        axes.set_xticks(ticks, map(str, ticks))
        axes.minorticks_off()
        axes.legend()

    return draw


def over_hours(runs: Sequence[Trained], label: str) -> Panel:
    """Return a panel of accuracy against processor time, one point per run."""

    def draw(axes: Axes) -> None:
        wide, high = (np.ptp([getattr(run, name) for run in runs]) for name in ("cpu_hours", "top1"))

        def crowded(run: Trained) -> bool:
            """Whether another point lies where the label would, at the right."""
            return any(
                0 < other.cpu_hours - run.cpu_hours < 0.2 * wide and abs(other.top1 - run.top1) < 0.05 * high
                for other in runs
            )

        for run in runs:
            axes.plot(run.cpu_hours, run.top1, "o", color=COLOURS[run.net])
            left = crowded(run)
            axes.annotate(
                f"{run.spec.depth}-{run.spec.width:g}{'' if run.spec.version == 2 else ' v1'}",
                (run.cpu_hours, run.top1),
                textcoords="offset points",
                xytext=(-5 if left else 5, -3),
                horizontalalignment="right" if left else "left",
            )
        axes.margins(x=0.15)
        axes.set(xlabel="CPU-hours", ylabel=label)

    return draw


def scales(nets: Mapping[str, Sequence[IdentityShare]]) -> Panel:
    """Return a panel of the identity's share in the filters over the depth of each net."""

    def draw(axes: Axes) -> None:
        for name, found in nets.items():
            places = [(index + 0.5) / len(found) for index in range(len(found))]
            axes.plot(places, [layer.share for layer in found], ".-", label=name)
        axes.set(xlabel="place in the net, first to last layer", ylabel="α² / (α² + β²), %, median", ylim=(0, 100))
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.02, 0.5))

    return draw
