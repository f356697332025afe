"""docs/figures.md and its plots, from docs/figures.json and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from matplotlib.axes import Axes

from benchmarks.plots import Panel, save
from benchmarks.report import fill, table, versions
from export.figures.corruptions import CORRUPTIONS
from export.figures.measure import COMPUTED, FITTED, NONE, corrupted_mean
from zoo.training.confusion import ClassResult, class_results, paint_confusion

TEMPLATE = Path(__file__).with_suffix(".md")
SHADES = ("#9ecae1", "#4292c6", "#08519c")


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result of `python -m benchmarks.figures`."""
    nets = dict(sorted(result["nets"].items()))
    (corrupted,) = {net["corrupted_pictures"] for net in nets.values()}
    (training,) = {net["training_pictures"] for net in nets.values()}
    values = {
        "summary": _summary(nets),
        "temperatures": _temperatures(nets),
        "training_pictures": training,
        "corrupted_pictures": corrupted,
        # Twice the standard error of a share of one half, the widest one.
        "margin": 100 / corrupted**0.5,
        "corruptions": _corruptions(nets),
        "nets": "\n\n".join(_net(name, net) for name, net in nets.items()),
    }
    return fill(TEMPLATE, values)


def draw(result: Mapping[str, Any], folder: Path) -> None:
    """Draw the plots of each net: its confusion matrix, its reliability, and its accuracy under corruptions."""
    for name, net in result["nets"].items():
        save(folder / plot_name(name), [_confusion(net), _reliability(net), _bars(net)], size=(4.6, 4.0))


def plot_name(net: str) -> str:
    """Return the name of the file with a net's plots."""
    return f"{net.replace(':', '-')}.png"


def _summary(nets: Mapping[str, Any]) -> str:
    rows = []
    for name, net in nets.items():
        for precision in ("fp32", "int8"):
            found = net[precision]
            before, after = (found["calibration"][key]["error"] for key in (COMPUTED, FITTED))
            clean = found["corruptions"][NONE]
            numbers = (found["metrics"]["top1"], before, after, corrupted_mean(found), clean)
            rows.append([f"`{name}`" if precision == "fp32" else "", precision, *(f"{each:.2f}%" for each in numbers)])
    heads = ["net", "precision", "top-1", "calibration error", "with temperature", "corrupted", "the same, clean"]
    return table(heads, rows)


def _temperatures(nets: Mapping[str, Any]) -> str:
    rows = []
    for name, net in nets.items():
        before, after = (net["fp32"]["calibration"][key]["loss"] for key in (COMPUTED, FITTED))
        halves = " and ".join(f"{each:.3f}" for each in net["temperatures_of_halves"])
        loss = f"{before:.4f} → {after:.4f}"
        own, training = (f"{net[key]:.3f}" for key in ("temperature", "temperature_of_training_pictures"))
        rows.append([f"`{name}`", own, halves, loss, training])
    return table(["net", "temperature", "of the halves", "loss, nats", "of training pictures"], rows)


def _corruptions(nets: Mapping[str, Any]) -> str:
    names = list(nets)
    rows = [
        [corruption, *(f"{_mean(nets[name]['fp32'], corruption):.1f}" for name in names)]
        for corruption in (NONE, *CORRUPTIONS)
    ]
    return table(["corruption", *(f"`{name}`" for name in names)], rows)


def _mean(figures: Mapping[str, Any], corruption: str) -> float:
    found = figures["corruptions"][corruption]
    return fmean(found.values()) if isinstance(found, Mapping) else found


def _net(name: str, net: Mapping[str, Any]) -> str:
    text = (
        f"All {net['test_pictures']:,} test pictures of {net['dataset']}; {net['corrupted_pictures']:,} of them are "
        f"corrupted. Measured on {net['machine']}, one thread, with {versions(net)}."
    )
    plots = f"![Confusion matrix, reliability and corruptions of {name}](figures/{plot_name(name)})"
    return "\n\n".join((f"## `{name}`", text, plots, _classes(net), _severities(net)))


def _classes(net: Mapping[str, Any]) -> str:
    float32, int8 = (results(net, precision) for precision in ("fp32", "int8"))
    rows = [
        [one.label, one.pictures, f"{one.top1:.1f}%", f"{other.top1:.1f}%", one.mistake]
        for one, other in zip(float32, int8, strict=True)
    ]
    return table(["class", "pictures", "right, fp32", "int8", "most often taken for, fp32"], rows)


def results(net: Mapping[str, Any], precision: str) -> list[ClassResult]:
    """Return the results of a net's classes."""
    return class_results(torch.tensor(net[precision]["confusion"]), net["classes"])


def _severities(net: Mapping[str, Any]) -> str:
    rows = []
    for corruption in CORRUPTIONS:
        pairs = [net[precision]["corruptions"][corruption] for precision in ("fp32", "int8")]
        rows.append([corruption, *(f"{each[severity]:.1f}" for severity in pairs[0] for each in pairs)])
    severities = list(net["fp32"]["corruptions"][next(iter(CORRUPTIONS))])
    heads = [f"severity {severity}, {precision}" for severity in severities for precision in ("fp32", "int8")]
    return table(["top-1, %", *heads], rows)


def _confusion(net: Mapping[str, Any]) -> Panel:
    def draw(axes: Axes) -> None:
        paint_confusion(axes, torch.tensor(net["fp32"]["confusion"]), net["classes"], size=7)
        axes.set_title("confusion, fp32")

    return draw


def _reliability(net: Mapping[str, Any]) -> Panel:
    def draw(axes: Axes) -> None:
        axes.plot((0, 100), (0, 100), color="grey", linewidth=1)
        for key, marker in ((COMPUTED, "o-"), (FITTED, "s-")):
            bins: Sequence[Mapping[str, float]] = net["fp32"]["calibration"][key]["bins"]
            error = net["fp32"]["calibration"][key]["error"]
            points = [each["confidence"] for each in bins], [each["top1"] for each in bins]
            axes.plot(*points, marker, markersize=4, label=f"{key}: error {error:.2f}%")
        axes.set(title="reliability, fp32", xlabel="mean probability, %", ylabel="right, %", xlim=(0, 100))
        axes.set(ylim=(0, 100))
        axes.legend(loc="upper left", fontsize=8)

    return draw


def _bars(net: Mapping[str, Any]) -> Panel:
    def draw(axes: Axes) -> None:
        names = list(CORRUPTIONS)
        for index, (severity, shade) in enumerate(zip(net["fp32"]["corruptions"][names[0]], SHADES, strict=True)):
            values = [net["fp32"]["corruptions"][name][severity] for name in names]
            places = [place + 0.27 * (index - 1) for place in range(len(names))]
            axes.barh(places, values, height=0.26, color=shade, label=f"severity {severity}")
        axes.axvline(net["fp32"]["corruptions"][NONE], color="grey", linewidth=1)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set(title="corruptions, fp32", xlabel="top-1, % (line: without corruption)", xlim=(0, 100))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3, fontsize=7)

    return draw
