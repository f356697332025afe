"""The shipped nets beside ResNet-8 and ResNet-20: the table, the bars and the plot of docs/devices.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from benchmarks.plots import save
from benchmarks.report import table, vnni

OURS = ("diracnet10_cifar:cifar10", "diracnet16_cifar:cifar10", "diracnet28_cifar:cifar10")
TITLES = {"resnet8": "ResNet-8", "resnet20": "ResNet-20"}
MEMORY = "memory.png"
_COLUMNS = (
    *("net", "multiply-adds", "float32", "int8", "flash, model", "flash, C"),
    *("RAM, TFLM", "RAM, C", "Cortex-M4: instructions, C"),
)


def ram(net: Mapping[str, Any]) -> int:
    """Return the bytes of memory that a call takes in C: the scratch, and the deepest stack of the boards."""
    return int(net["scratch"] + max(board["stack"] for board in net["boards"].values()))


def compared(result: Mapping[str, Any]) -> str:
    """Return the table of the nets side by side."""
    rows = []
    for name, net in _all(result).items():
        accuracy, ours = net.get("accuracy"), "boards" in net
        board = next(iter(net["boards"].values())) if ours else {}
        rows.append(
            [
                f"`{name}`" if ours else name,
                f"{net['multiply_adds'] / 1e6:.1f} M",
                *(f"{accuracy[key]:.2f}%" if accuracy else "not measured" for key in ("float32", "litert_default")),
                f"{net['micro']['model']:,}",
                f"{board['flash']:,}" if ours else "–",
                f"{net['micro']['arena']:,}",
                f"{ram(net):,}" if ours else "–",
                f"{board['instructions'] / 1e6:.1f} M" if ours else "not measured",
            ]
        )
    return table(_COLUMNS, rows)


def bars(result: Mapping[str, Any]) -> str:
    """Return the table of the bars."""
    rows = [[text, limit, value, "yes" if met else "**no**"] for text, limit, value, met in judged(result)]
    return table(["bar", "limit", "measured", "met"], rows)


def judged(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """Yield each bar that can be judged: its text, its limit, what was measured, and whether it is met."""
    ours, theirs = result["nets"][OURS[0]], result["residual"]["nets"]["resnet8"]
    name, arena = f"`{OURS[0]}`", theirs["micro"]["arena"]
    share = ours["micro"]["arena"] / arena
    yield f"{name}: TFLM's arena / ResNet-8's", "≤ 0.75", f"{share:.2f}", share <= 0.75
    in_c = ram(ours)
    yield f"{name}: memory in C / ResNet-8's arena", "≤ 0.40", f"{in_c / arena:.2f}", in_c <= 0.40 * arena
    yield f"{name}: memory in C, KiB", "≤ 24", f"{in_c / 1024:.1f}", in_c <= 24 * 1024
    if "accuracy" in ours and "accuracy" in theirs:
        gain = ours["accuracy"]["litert_default"] - theirs["accuracy"]["litert_default"]
        yield f"{name}: top-1 in int8 minus ResNet-8's, points", "≥ −0.3", f"{gain:+.2f}", gain >= -0.3
    timed = result["nets"][OURS[1]]
    ratio, how = timed["speed"]["median"], f"one thread, {vnni(timed['environment'])}"
    yield f"`{OURS[1]}`: time in C / ONNX Runtime's, {how}", "≤ 4", f"{ratio:.1f}", ratio <= 4


def trained(result: Mapping[str, Any]) -> str:
    """Return sentences on how the residual nets were trained, or that they were not."""
    nets = result["residual"]["nets"]
    said = []
    for name, title in TITLES.items():
        if "accuracy" not in nets[name]:
            said.append(f"{title} is untrained: its weights are random, and its accuracy is not measured.")
            continue
        accuracy = nets[name]["accuracy"]
        compared_ = f"{accuracy['differing_logits']} logits of {accuracy['reference_pictures']} test pictures"
        said.append(
            f"{title} was trained with the recipe, the pictures, the {accuracy['epochs']} epochs and the seed of "
            f"`{OURS[0]}`. In int8 it gives the float net's answer for {accuracy['agreement']:.2f}% of the "
            f"{accuracy['pictures']:,} test pictures; TFLM and LiteRT's reference kernels differ in {compared_}."
        )
    return " ".join(said)


def draw(folder: Path, result: Mapping[str, Any]) -> None:
    """Draw the plot into a folder."""
    nets = _all(result)
    names = [name.partition(":")[0] for name in nets]
    maps = {
        "TensorFlow Lite Micro": {name: net["micro"]["arena"] for name, net in zip(names, nets.values(), strict=True)},
        "plain C": {name: ram(net) for name, net in zip(names, nets.values(), strict=True) if "boards" in net},
    }

    def memory(axes: Axes) -> None:
        for (label, values), shift, color in zip(maps.items(), (-0.2, 0.2), ("C0", "C3"), strict=True):
            places = [names.index(name) + shift for name in values]
            shown = [value / 1024 for value in values.values()]
            axes.bar_label(axes.barh(places, shown, height=0.38, label=label, color=color), fmt="%.0f", padding=2)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(right=1.5 * max(maps["TensorFlow Lite Micro"].values()) / 1024)  # leaves room for the legend
        axes.set(xlabel="RAM, KiB", title="Memory for a picture")
        axes.legend(fontsize=8, loc="lower right")

    def accuracy(axes: Axes) -> None:
        for name, net in zip(names, nets.values(), strict=True):
            if "accuracy" not in net:
                continue
            top1 = net["accuracy"]["litert_default"]
            ours = "boards" in net
            for value, color in (
                (net["micro"]["arena"], "C0"),
                *(((ram(net), "C3"),) if ours else ()),
            ):
                axes.plot(value / 1024, top1, "o" if ours else "s", color=color)
                axes.annotate(name, (value / 1024, top1), textcoords="offset points", xytext=(4, 4), fontsize=7)
        axes.margins(x=0.4, y=0.2)
        axes.set(xlabel="RAM, KiB (blue: TFLM, red: C)", ylabel="top-1 in int8, %", title="Accuracy for memory")

    folder.mkdir(exist_ok=True)
    save(folder / MEMORY, (memory, accuracy), size=(4.8, 3.2))


def _all(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the nets by the names that tables have."""
    theirs = {title: result["residual"]["nets"][name] for name, title in TITLES.items()}
    return {**theirs, **{name: result["nets"][name] for name in OURS}}
