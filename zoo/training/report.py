"""What there is to say about a net's answers for a data set, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from zoo.training.calibration import BINS, Bin, calibration_error, reliability
from zoo.training.confusion import ClassResult, class_results, confusion_matrix
from zoo.training.data import Pictures
from zoo.training.evaluate import Answers

SHOWN = 10
"""Classes up to which the whole confusion matrix is printed; of more, the worst ones are listed."""


@dataclass(frozen=True)
class Report:
    """A net's answers, and the pictures that they are about.

    Args:
        answers: the answers.
        pictures: the pictures.
        temperature: what the net's logits are divided by before they become probabilities.
    """

    answers: Answers
    pictures: Pictures
    temperature: float = 1.0

    @cached_property
    def matrix(self) -> Tensor:
        """The number of pictures of each class (row) that were given each class (column)."""
        return confusion_matrix(self.answers)

    @cached_property
    def classes(self) -> list[ClassResult]:
        """The result of each class."""
        return class_results(self.matrix, self.pictures.classes)

    @cached_property
    def bins(self) -> list[Bin]:
        """The bins of the calibration error."""
        return reliability(self.answers, self.temperature)

    def to_dict(self) -> dict[str, Any]:
        """Return everything in a form that JSON can hold."""
        return {
            "metrics": self.answers.metrics(),
            "calibration": {
                "error": calibration_error(self.bins),
                "bins": BINS,
                "temperature": self.temperature,
                "confidence": sum(each.pictures * each.confidence for each in self.bins) / len(self.pictures),
            },
            "classes": [
                {"class": each.label, "pictures": each.pictures, "right": each.right, "top1": each.top1}
                for each in self.classes
            ],
            "confusion": self.matrix.tolist(),
        }

    def calibration_line(self) -> str:
        """Return the calibration error in a sentence."""
        sure = sum(each.pictures * each.confidence for each in self.bins) / len(self.pictures)
        with_it = f", with temperature {self.temperature:g}" if self.temperature != 1 else ""
        return (
            f"calibration error {calibration_error(self.bins):.2f} % ({BINS} bins{with_it}): on average it is "
            f"{sure:.2f} % sure"
        )

    def table(self) -> tuple[list[str], list[Sequence[str]]]:
        """Return the heads and rows of a table: the confusion matrix, or the worst classes where there are many."""
        if len(self.classes) <= SHOWN:
            heads = ["class", "right", *map(str, range(len(self.classes)))]
            return heads, [
                [f"{index} {each.label}", _percent(each.top1), *(str(count) if count else "·" for count in row)]
                for index, (each, row) in enumerate(zip(self.classes, self.matrix.tolist(), strict=True))
            ]
        return ["class", "pictures", "right", "most often taken for"], [
            [
                each.label,
                str(each.pictures),
                _percent(each.top1),
                f"{each.taken_for} ({each.mistaken})" if each.taken_for else "",
            ]
            for each in self.worst(SHOWN)
        ]

    def worst(self, count: int) -> list[ClassResult]:
        """Return the classes with the lowest accuracy, lowest first; classes without pictures are left out."""
        measured = [each for each in self.classes if each.top1 is not None]
        return sorted(measured, key=lambda each: each.right / each.pictures)[:count]

    def table_title(self) -> str:
        """Return what the table shows."""
        if len(self.classes) <= SHOWN:
            return "Each row has the pictures of a class, each column those that were given it:"
        empty = sum(each.top1 is None for each in self.classes)
        without = f"; {empty} {'has' if empty == 1 else 'have'} no pictures" if empty else ""
        return f"The worst {SHOWN} of {len(self.classes):,} classes{without}:"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1f} %"
