"""Which classes a net takes for which."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.files import replace_file
from zoo.training.evaluate import Answers

if TYPE_CHECKING:  # matplotlib is of the `train` extra
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

SHOWN = 10
"""Classes up to which all are printed; of more, as many with the lowest accuracy."""
_NUMBERED, _NAMED = 20, 60
"""Numbers of classes up to which the picture shows counts, and names."""
_LONGEST = 24
"""Characters of a name that the picture shows."""


@dataclass(frozen=True)
class ClassResult:
    """How the pictures of one class were classified.

    Args:
        label: name of the class.
        pictures: how many pictures it has.
        right: how many of them were classified right.
        taken_for: the wrong class that most of them were taken for, or None if none was.
        mistaken: how many were taken for that class.
    """

    label: str
    pictures: int
    right: int
    taken_for: str | None
    mistaken: int

    @property
    def top1(self) -> float | None:
        """The share of its pictures that was classified right, in percent; None without pictures."""
        return 100 * self.right / self.pictures if self.pictures else None

    @property
    def mistake(self) -> str:
        """The class that it is most often taken for, and how often; empty if never."""
        return f"{self.taken_for} ({self.mistaken})" if self.taken_for else ""


def confusion_matrix(answers: Answers) -> Tensor:
    """Return the number of pictures of each class (row) that were given each class (column), int64."""
    count = answers.logits.shape[1]
    return torch.bincount(answers.targets * count + answers.predicted, minlength=count**2).reshape(count, count)


def class_results(matrix: Tensor, classes: Sequence[str]) -> list[ClassResult]:
    """Return the result of each class, in the order of the classes."""
    wrong = matrix.clone()
    wrong.fill_diagonal_(0)
    most, whose = wrong.max(dim=1)
    return [
        ClassResult(
            label,
            int(row.sum()),
            int(row[index]),
            classes[int(whose[index])] if most[index] else None,
            int(most[index]),
        )
        for index, (label, row) in enumerate(zip(classes, matrix, strict=True))
    ]


def worst_classes(results: Sequence[ClassResult]) -> list[int]:
    """Return the indices of the `SHOWN` classes with the lowest accuracy, lowest first, without empty ones."""
    measured = [index for index, each in enumerate(results) if each.pictures]
    return sorted(measured, key=lambda index: results[index].right / results[index].pictures)[:SHOWN]


def worst_title(results: Sequence[ClassResult]) -> str:
    """Return what a table of the worst classes shows."""
    empty = sum(not each.pictures for each in results)
    without = f"; {empty} {'has' if empty == 1 else 'have'} no pictures" if empty else ""
    return f"The worst {SHOWN} of {len(results):,} classes{without}:"


def write_confusion(matrix: Tensor, classes: Sequence[str], path: Path) -> None:
    """Write a confusion matrix as comma-separated values: predicted classes in the first line, then a line a class."""
    with replace_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["true class", *classes])
        lines.writerows([label, *row] for label, row in zip(classes, matrix.tolist(), strict=True))


def draw_confusion(matrix: Tensor, classes: Sequence[str], path: Path, title: str) -> None:
    """Draw a confusion matrix to a PNG file, each row in shares of its class.

    Up to twenty classes have their counts written in, up to sixty their names.

    Raises:
        ModuleNotFoundError: matplotlib, of the `train` extra, is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(classes)
    side = 2.6 + (0.42 * count if count <= _NUMBERED else min(0.2 * count, 9))
    figure = Figure(figsize=(side + 0.9, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shown = paint_confusion(axes, matrix, classes, size=9 if count <= _NUMBERED else 6)
    axes.set_title(_shortened(title, 80).replace("$", r"\$"))
    figure.colorbar(shown, label="share of the true class, %", shrink=0.8)
    with replace_file(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # its font lacks some scripts
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})


def paint_confusion(axes: Axes, matrix: Tensor, classes: Sequence[str], size: int) -> AxesImage:
    """Paint a confusion matrix, each row in shares of its class, over the grid of the axes if they have one.

    Args:
        axes: where to paint it.
        matrix: see `confusion_matrix`.
        classes: names of the classes, which are left out where there are many.
        size: of the names, in points; counts are a point smaller.

    Returns:
        The image, for a colour bar: its values are percentages.
    """
    from matplotlib.colors import PowerNorm

    shares = 100 * matrix / matrix.sum(dim=1, keepdim=True).clamp_min(1)
    # By their square roots, because most confusions are rare.
    norm = PowerNorm(0.5, 0, 100)
    shown = axes.imshow(shares.numpy(), cmap="Blues", norm=norm, interpolation="nearest", zorder=1)
    axes.set_axisbelow(True)
    places = range(len(classes))
    if len(classes) <= _NAMED:
        # A dollar sign would begin a formula.
        names = [_shortened(name).replace("$", r"\$") for name in classes]
        axes.set_xticks(places, names, rotation=90, fontsize=size)
        axes.set_yticks(places, names, fontsize=size)
    if len(classes) <= _NUMBERED:
        for row, column in matrix.nonzero().tolist():
            style: dict[str, Any] = {"color": "white" if shares[row, column] > 30 else "black", "fontsize": size - 1}
            axes.text(column, row, str(int(matrix[row, column])), ha="center", va="center", zorder=2, **style)
    axes.set(xlabel="predicted", ylabel="true class")
    return shown


def _shortened(name: str, longest: int = _LONGEST) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
