"""Measures nets in float32 and int8: their classes, their probabilities, and what corrupted pictures do to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from export.figures.net import Net
from export.figures.pictures import Originals
from zoo.training.calibration import calibration_error, fit_temperature, reliability
from zoo.training.classes import split_classes
from zoo.training.confusion import confusion_matrix
from zoo.training.evaluate import Answers

SEVERITIES = (1, 3, 5)
COMPUTED, FITTED, OWN = "as computed", "with temperature", "with its own temperature"
"""Keys of the calibration: as the net's logits are; with a temperature that is fitted here; with the net's own."""
NONE = "none"
"""Key of the accuracy on the same pictures before they are corrupted."""
DIGITS = 4
"""Decimals of a temperature."""
_TOGETHER = 2000 * 32 * 32 * 3
"""Values of pictures that are corrupted at once: the corruptions take eight bytes for each, several times over."""


@dataclass(frozen=True)
class Fitted:
    """Temperatures that are fitted on test pictures.

    Args:
        whole: that of all pictures.
        halves: those of either half of them.
        swapped: for each picture the temperature of the half that it is not in, float64, (n, 1).
    """

    whole: float
    halves: tuple[float, float]
    swapped: Tensor

    @classmethod
    def on(cls, answers: Answers) -> Fitted:
        """Fit temperatures on a net's answers; the halves have the same number of each class, drawn with seed 0.

        Raises:
            ValueError: no temperature within the allowed range is best; see `fit_temperature`.
        """
        first, second = split_classes(answers.targets, 0.5, seed=0)
        swapped = torch.empty(len(answers.targets), 1, dtype=torch.float64)
        found = []
        for half, other in ((first, second), (second, first)):
            if not len(half):
                raise ValueError("there are too few pictures to fit a temperature on half of them")
            found.append(fit_temperature(Answers(answers.logits[half], answers.targets[half])))
            swapped[other] = found[-1]
        return cls(fit_temperature(answers), (found[0], found[1]), swapped)

    def to_dict(self) -> dict[str, Any]:
        """Return the temperatures in a form that JSON can hold, rounded."""
        return {
            "temperature": round(self.whole, DIGITS),
            "temperatures_of_halves": [round(each, DIGITS) for each in self.halves],
        }


def figures(answers: Answers, fitted: Fitted | None, own: float = 1.0) -> dict[str, Any]:
    """Return the figures of a net's answers: metrics, confusion matrix, and calibration.

    Args:
        answers: the answers.
        fitted: temperatures that were fitted on the float32 net's answers, which int8 shares; None if none suits.
        own: the temperature that the net has already.
    """
    scaled = {COMPUTED: answers}
    if fitted is not None:
        scaled[FITTED] = replace(answers, logits=answers.logits.double() / fitted.swapped)
    if own != 1:
        scaled[OWN] = replace(answers, logits=answers.logits.double() / own)
    calibrated = {}
    for name, each in scaled.items():
        bins = reliability(each)
        calibrated[name] = {
            "error": calibration_error(bins),
            "loss": each.metrics()["loss"],
            "bins": [asdict(one) for one in bins],
        }
    return {
        "metrics": answers.metrics(),
        "confusion": confusion_matrix(answers).tolist(),
        "calibration": calibrated,
    }


def corrupted(
    net: Net,
    originals: Originals,
    corruptions: Collection[str],
    *,
    tell: Callable[[str], None] = lambda text: None,
    on_batch: Callable[[int], None] = lambda done: None,
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the top-1 of a net on corrupted pictures, in percent: precision → corruption → severity → top-1.

    Args:
        net: the net.
        originals: the pictures to corrupt.
        corruptions: keys of `export.figures.corruptions.CORRUPTIONS`.
        tell: called with what comes next.
        on_batch: called after each batch with the number of pictures in it.

    Raises:
        ModuleNotFoundError: SciPy, or what frost needs, is not installed.
    """
    found: dict[str, dict[str, dict[str, float]]] = {
        precision: {each: {} for each in corruptions} for precision in net.precisions
    }
    for corruption in corruptions:
        for severity in SEVERITIES:
            tell(f"{corruption}, severity {severity}")
            crops = originals.crops(_corrupted(originals.pictures.images, corruption, severity), net.how)
            for precision in net.precisions:
                answers = Answers(net.logits(precision, crops, on_batch), originals.pictures.targets)
                found[precision][corruption][str(severity)] = answers.metrics()["top1"]
    return found


def corrupted_mean(found: Mapping[str, Any]) -> float:
    """Return the mean top-1 over all corruptions and severities of one precision's figures, in percent."""
    return fmean(top1 for name, each in found["corruptions"].items() if name != NONE for top1 in each.values())


def _corrupted(images: Tensor, corruption: str, severity: int) -> Tensor:
    from export.figures.corruptions import corrupt

    parts = images.split(max(1, _TOGETHER // images[0].numel()))
    return torch.cat(
        [torch.from_numpy(corrupt(part.numpy(), corruption, severity, seed)) for seed, part in enumerate(parts)]
    )
