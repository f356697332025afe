"""What there is to say about a net's answers for a data set, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from zoo.training.calibration import BINS, Bin, calibration_error, reliability
from zoo.training.confusion import SHOWN, ClassResult, class_results, confusion_matrix, worst_classes, worst_title
from zoo.training.data import Pictures
from zoo.training.evaluate import Answers


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
            f"calibration error {calibration_error(self.bins):.2f}% ({BINS} bins{with_it}): on average it is "
            f"{sure:.2f}% sure"
        )

    def table(self) -> tuple[list[str], list[Sequence[str]]]:
        """Return the heads and rows of a table: the confusion matrix, or the worst classes where there are many."""
        if len(self.classes) <= SHOWN:
            heads = ["class", "right", *map(str, range(len(self.classes)))]
            return heads, [
                [f"{index} {each.label}", percent(each.top1), *(str(count) if count else "·" for count in row)]
                for index, (each, row) in enumerate(zip(self.classes, self.matrix.tolist(), strict=True))
            ]
        return ["class", "pictures", "right", "most often taken for"], [
            [each.label, str(each.pictures), percent(each.top1), each.mistake]
            for each in (self.classes[index] for index in worst_classes(self.classes))
        ]

    def table_title(self) -> str:
        """Return what the table shows."""
        if len(self.classes) <= SHOWN:
            return "Each row has the pictures of a class, each column those that were given it:"
        return worst_title(self.classes)


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share in percent for people; a dash for one that was not measured."""
    return "–" if share is None else f"{share:.{decimals}f}%"
