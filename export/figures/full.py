"""All figures of one net on the test pictures of a data set, as `diracnet evaluate --full` gives them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from export.figures.measure import NONE, SEVERITIES, Fitted, corrupted, figures
from export.figures.net import FP32, Net
from export.figures.pictures import Originals, choose
from zoo.machine import describe
from zoo.training.data import Pictures
from zoo.training.evaluate import Answers


class FullMeasurement:
    """A net with the pictures to measure it on.

    Args:
        net: the net.
        originals: the pictures at the size at which they are corrupted.
        pictures: the same pictures as the net sees them, with its classes.
        count: how many of them to corrupt; see `choose`.
        corruptions: keys of `export.figures.corruptions.CORRUPTIONS`; none if `count` is 0.
        own: the net's temperature.
    """

    def __init__(
        self,
        net: Net,
        originals: Originals,
        pictures: Pictures,
        *,
        count: int,
        corruptions: Collection[str],
        own: float = 1.0,
    ) -> None:
        self.net, self.pictures, self.corruptions, self.own = net, pictures, corruptions, own
        self.chosen = choose(pictures.targets, count)
        labelled = replace(originals.pictures, targets=pictures.targets, classes=pictures.classes)
        self.originals = replace(originals, pictures=labelled.subset(self.chosen))

    @property
    def steps(self) -> int:
        """How many pictures the nets are given in all."""
        each = len(self.pictures) + len(self.chosen) * len(self.corruptions) * len(SEVERITIES)
        return len(self.net.precisions) * each

    def run(
        self,
        *,
        tell: Callable[[str], None] = lambda text: None,
        on_batch: Callable[[int], None] = lambda done: None,
    ) -> tuple[Answers, dict[str, Any]]:
        """Measure, and return the float32 net's answers with all figures, in a form that JSON can hold.

        Where no temperature can be fitted, `temperature` is None, and `temperature_lacks` says why.

        Args:
            tell: called with what comes next.
            on_batch: called after each batch with the number of pictures in it.
        """
        tell("test pictures")
        targets = self.pictures.targets
        answers = {
            precision: Answers(self.net.logits(precision, self.pictures.images, on_batch), targets)
            for precision in self.net.precisions
        }
        found: dict[str, Any] = {
            "test_pictures": len(self.pictures),
            "classes": list(self.pictures.classes),
            "corrupted_pictures": len(self.chosen) if self.corruptions else 0,
            "corrupted_at": "the data set's own size" if self.originals.own_size else "the size of the net's input",
            **({} if self.own == 1 else {"own_temperature": self.own}),
        }
        fitted = None
        try:
            fitted = Fitted.on(answers[FP32])
            found |= fitted.to_dict()
        except ValueError as error:
            found |= {"temperature": None, "temperature_lacks": str(error)}
        found |= {precision: figures(each, fitted, self.own) for precision, each in answers.items()}
        if self.corruptions:
            top1s = corrupted(self.net, self.originals, self.corruptions, tell=tell, on_batch=on_batch)
            for precision, each in answers.items():
                clean = Answers(each.logits[self.chosen], targets[self.chosen]).metrics()["top1"]
                found[precision]["corruptions"] = {NONE: clean, **top1s[precision]}
        used = ("torch", "onnxruntime", "numpy", "pillow", *(["scipy"] if self.corruptions else []))
        return answers[FP32], {**found, **describe(used)}
