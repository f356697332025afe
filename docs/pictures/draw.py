"""The README's picture: a Dirac kernel, what folding makes of it, and the chain that it belongs to.

`make pictures` (`python docs/pictures/draw.py`) draws kernel-light.png and kernel-dark.png. Everything drawn is read
from `diracnet16_cifar:cifar10` and docs/cat.jpg: the kernels of one of its layers, the sizes of its feature maps, and
its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import matplotlib

matplotlib.use("Agg")

import torch
from matplotlib import pyplot as plt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import ConnectionPatch, Rectangle
from PIL import Image
from torch import Tensor, nn

import export
import zoo

HERE = Path(__file__).resolve().parent
NAME, TAG = "diracnet16_cifar", "cifar10"
LAYER = "group0.block1"
"""The block whose kernel is drawn: 16 channels, so that its 16×16 cells of 3×3 weights can be seen one by one."""


SIZE = (10.0, 4.95)
"""Of the picture, in inches."""
MIDDLE = 0.245
"""The height of the chain's axis, as a share of the picture's."""


@dataclass(frozen=True)
class Theme:
    """Colours of one background; the page itself shows through."""

    text: str
    faint: str
    panel: str
    negative: str
    positive: str
    box: str


THEMES = {
    "light": Theme("#1f2328", "#6e7781", "#f3f5f7", "#1f5fbf", "#d4540b", "#b9c6d6"),
    "dark": Theme("#e6edf3", "#8d96a0", "#171c23", "#58a6ff", "#ff9b45", "#35465c"),
}


@dataclass(frozen=True)
class Kernel:
    """The parts of one layer's kernel, each (out, in, 3, 3), and the bias that folding gives it."""

    identity: Tensor
    learned: Tensor
    composed: Tensor
    folded: Tensor
    bias: Tensor


def kernel(net: nn.Module, plain: nn.Module) -> Kernel:
    """Return the kernel of `LAYER` in the training form and in the folded net."""
    conv = cast(zoo.DiracConv2d, net.get_submodule(f"{LAYER}.conv"))
    folded = cast(nn.Conv2d, plain.get_submodule(f"{LAYER}.conv"))
    none = torch.zeros_like(conv.alpha)
    return Kernel(
        identity=zoo.dirac_weight(conv.weight, conv.alpha, none),
        learned=zoo.dirac_weight(conv.weight, none, conv.beta),
        composed=zoo.dirac_weight(conv.weight, conv.alpha, conv.beta),
        folded=folded.weight,
        bias=cast(Tensor, folded.bias),
    )


def mosaic(weight: Tensor) -> Tensor:
    """Return (out, in, height, width) as one matrix: a row of cells per output channel, a column per input channel."""
    out, channels, height, width = weight.shape
    return weight.permute(0, 2, 1, 3).reshape(out * height, channels * width)


def draw(theme: Theme, path: Path) -> None:
    """Write the picture for one background."""
    record = zoo.get_weight(NAME, TAG)
    net = zoo.get_model(NAME, weights=TAG).requires_grad_(False)
    plain = export.fold(net).requires_grad_(False)
    picture = record.transforms()(Image.open(HERE.parent / "cat.jpg"))
    with torch.inference_mode():
        parts = kernel(net, plain)
        maps: list[tuple[str, int, int]] = []
        answer = (_watch(plain, picture[None], maps) / record.temperature).softmax(1)[0]
    plt.rcParams |= {"font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans", "text.color": theme.text}
    figure = plt.figure(figsize=SIZE)
    panel = _kernels(figure, theme, parts)
    chain, box = _chain(figure, theme, maps)
    _ends(figure, theme, picture, record.preprocessing, answer, record.labels)
    for corner in (0, 1):
        above = (box.get_x() + corner * box.get_width(), box.get_y() + box.get_height())
        line = ConnectionPatch((corner, 0), above, "axes fraction", "data", axesA=panel, axesB=chain)
        line.set(color=theme.positive, linewidth=0.8, alpha=0.7)
        figure.add_artist(line)
    source = f"{NAME}:{TAG}, sha256 {record.files['dirac'].sha256}"  # a test compares it
    figure.savefig(path, dpi=200, transparent=True, metadata={"Source": source})
    plt.close(figure)


def _watch(plain: nn.Module, batch: Tensor, maps: list[tuple[str, int, int]]) -> Tensor:
    """Return the logits; note the name, channels and size of each convolution's output."""
    handles = [
        module.register_forward_hook(
            lambda _, __, output, name=name: maps.append((name, output.shape[1], output.shape[2]))
        )
        for name, module in plain.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    logits = cast(Tensor, plain(batch))
    for handle in handles:
        handle.remove()
    return logits


def _kernels(figure: Any, theme: Theme, parts: Kernel) -> Any:
    """Draw the sum and what the BatchNorm makes of it; return the folded kernel's axes."""
    colours = LinearSegmentedColormap.from_list("signed", [theme.negative, theme.panel, theme.positive])
    width, left, bottom = 0.178, 0.012, 0.525
    height = width * SIZE[0] / SIZE[1]
    columns = [
        (parts.identity, r"$\alpha\;\delta$", "the identity", "+"),
        (parts.learned, r"$\beta\;w\,/\,\Vert w\Vert$", "the learned filters", "="),
        (parts.composed, r"$\hat{w}$", "the kernel in training", "→"),
        (parts.folded, "folded", "an ordinary Conv2d", ""),
    ]
    gap = (1 - 2 * left - 4 * width - 0.028) / 3
    axes = None
    for index, (weight, title, caption, sign) in enumerate(columns):
        x = left + index * (width + gap)
        axes = figure.add_axes((x, bottom, width, height))
        _matrix(axes, mosaic(weight), colours, theme)
        figure.text(x + width / 2, bottom + height + 0.055, title, ha="center", va="center", fontsize=13)
        figure.text(x + width / 2, bottom + height + 0.018, caption, ha="center", va="center", fontsize=9,
                    color=theme.faint)  # fmt: skip
        figure.text(x + width + gap / 2, bottom + height / 2, sign, ha="center", va="center", fontsize=20)
        if sign == "→":
            figure.text(x + width + gap / 2, bottom + height / 2 + 0.055, "BatchNorm", ha="center", fontsize=8,
                        color=theme.faint)  # fmt: skip
        if index == len(columns) - 1:
            bias = figure.add_axes((x + width + 0.008, bottom, 0.0125, height))
            _matrix(bias, parts.bias[:, None].repeat_interleave(3, 0), colours, theme, aspect="auto")
            figure.text(x + width + 0.014, bottom + height + 0.018, "bias", ha="center", va="center", fontsize=9,
                        color=theme.faint)  # fmt: skip
    return axes


def _matrix(axes: Any, values: Tensor, colours: Any, theme: Theme, aspect: str = "equal") -> None:
    """Draw numbers as colours: a root of their size, so that small ones can be seen alongside the identity."""
    shown = values.sign() * (values.abs() / 2) ** 0.4
    axes.imshow(shown.numpy(), cmap=colours, vmin=-1, vmax=1, interpolation="nearest", aspect=aspect)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=theme.faint, linewidth=0.6)


def _chain(figure: Any, theme: Theme, maps: list[tuple[str, int, int]]) -> tuple[Any, Rectangle]:
    """Draw each convolution's output to scale, as wide as it has channels; return the axes and the box of `LAYER`."""
    axes = figure.add_axes((0.13, MIDDLE - 0.235, 0.715, 0.43))
    axes.axis("off")
    x, gap = 0.0, 5.0
    boxes: dict[str, Rectangle] = {}
    groups: dict[tuple[int, int], tuple[float, float, int]] = {}
    previous = maps[0][2]
    for name, channels, size in maps:
        wide = channels / 2
        if size != previous:
            x += 2.2 * gap
        previous = size
        edge, line = (theme.positive, 1.2) if name == f"{LAYER}.conv" else (theme.faint, 0.6)
        boxes[name] = Rectangle((x, -size / 2), wide, size, facecolor=theme.box, edgecolor=edge, linewidth=line)
        axes.add_patch(boxes[name])
        start, _, count = groups.get((channels, size), (x, 0.0, 0))
        groups[channels, size] = (start, x + wide, count + 1)
        x += wide + gap
    end = x - gap
    axes.plot([-2 * gap, end + 2 * gap], [0, 0], color=theme.faint, linewidth=0.8, zorder=0)
    for (channels, size), (start, stop, count) in groups.items():
        axes.text((start + stop) / 2, -21.5, f"{count} convolutions 3×3", ha="center", fontsize=9)
        axes.text((start + stop) / 2, -26.5, f"{channels} channels, {size}×{size}", ha="center", fontsize=9,
                  color=theme.faint)  # fmt: skip
    edges = sorted(groups.values())
    for (_, stop, _), (start, _, _) in pairwise(edges):
        axes.text((stop + start) / 2, 1.6, "pool", ha="center", fontsize=8, color=theme.faint)
    axes.set(xlim=(-2 * gap, end + 2 * gap), ylim=(-28, 23.2))
    return axes, boxes[f"{LAYER}.conv"]


def _ends(figure: Any, theme: Theme, picture: Tensor, how: zoo.Preprocessing, answer: Tensor, labels: Any) -> None:
    """Draw the picture that goes in and the three likeliest classes that come out."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (how.mean, how.std))
    pixels = (picture * std + mean).clamp(0, 1).permute(1, 2, 0)
    side = 0.107
    axes = figure.add_axes((0.012, MIDDLE - side * SIZE[0] / SIZE[1] / 2, side, side * SIZE[0] / SIZE[1]))
    axes.imshow(pixels.numpy(), interpolation="nearest")
    axes.axis("off")
    top = answer.topk(3)
    axes = figure.add_axes((0.852, MIDDLE - 0.115, 0.136, 0.23))
    axes.axis("off")
    for row, (share, index) in enumerate(zip(top.values.tolist(), top.indices.tolist(), strict=True)):
        axes.barh(-row - 0.3, share, height=0.16, color=theme.positive if row == 0 else theme.box)
        axes.text(0, -row, labels[index], va="center", fontsize=9)
        axes.text(1, -row, f"{share:.0%}", va="center", ha="right", fontsize=9, color=theme.faint)
    axes.set(xlim=(0, 1), ylim=(-2.5, 0.5))
    size, classes = picture.shape[-1], len(answer)
    for x, first, second in (
        (0.012 + side / 2, "a picture", f"RGB, {size}×{size}"),
        (0.92, f"{classes} classes", "average pool, linear"),
    ):
        figure.text(x, MIDDLE - 0.18, first, ha="center", fontsize=9)
        figure.text(x, MIDDLE - 0.222, second, ha="center", fontsize=9, color=theme.faint)


if __name__ == "__main__":
    for _name, _theme in THEMES.items():
        draw(_theme, HERE / f"kernel-{_name}.png")
