"""Measures shipped nets by `export.figures`, and what their temperatures would be on training pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from export.commands.evaluate import CORRUPTED
from export.figures.corruptions import CORRUPTIONS
from export.figures.measure import DIGITS, NONE, Fitted, corrupted, figures
from export.figures.net import FP32, Net
from export.figures.pictures import check_corruptible, choose, load_originals, own_preprocessing
from export.int8.places import INT8
from zoo import Checkpoint, Weight
from zoo.machine import describe
from zoo.reference import open_model
from zoo.training.calibration import fit_temperature
from zoo.training.evaluate import Answers, check_classes
from zoo.training.sources import load_sample
from zoo.weights.locate import weight_file

TRAINING = 2000
"""Training pictures on which a temperature is fitted too, to show how far off it is."""


@dataclass(frozen=True)
class _Shipped:
    """A shipped net in both precisions."""

    checkpoint: Checkpoint
    weight: Weight
    net: Net


def measure(
    models: Sequence[str], data: str, tell: Callable[[str], None], *, count: int = CORRUPTED
) -> dict[str, dict[str, Any]]:
    """Return all figures of shipped nets by name; see `docs/figures.md` for what they mean.

    Args:
        models: shipped nets with records of their quantization, as NAME:TAG.
        data: the data set that they were trained and tested on.
        tell: called with what comes next.
        count: how many test pictures to corrupt; see `choose`.

    Raises:
        ValueError: a net is not shipped or has no record, the data set has other classes, or its pictures have no size
            of their own and the nets see them differently.
    """
    shipped = {model: _open(model) for model in models}
    how, *others = {each.net.how for each in shipped.values()}
    if others and own_preprocessing(data) is None:
        raise ValueError(f"{', '.join(models)} see the pictures of {data} differently; measure one at a time")
    check_corruptible(data, how)
    tell("reading pictures")
    originals = load_originals(data, how)
    targets = originals.pictures.targets
    chosen = choose(targets, count)
    found: dict[str, dict[str, Any]] = {}
    for model, each in shipped.items():
        tell(f"{model}: test pictures")
        test = originals.seen(each.net.how)
        check_classes(each.checkpoint, test, model, data)
        answers = {name: Answers(each.net.logits(name, test.images), targets) for name in each.net.precisions}
        fitted = Fitted.on(answers[FP32])
        seen = load_sample(data, each.net.how, TRAINING, seed=0)
        on_training = fit_temperature(Answers(each.net.logits(FP32, seen.images), seen.targets))
        found[model] = {
            "dataset": each.weight.dataset,
            "test_pictures": len(test),
            "test_sha256": test.sha256(),
            "weights_sha256": each.weight.digests,
            "classes": list(test.classes),
            "corrupted_pictures": len(chosen),
            **fitted.to_dict(),
            "temperature_of_training_pictures": round(on_training, DIGITS),
            "training_pictures": len(seen),
            **{name: figures(given, fitted) for name, given in answers.items()},
            **describe(("torch", "onnxruntime", "numpy", "scipy", "pillow"), threads=1),
        }
        for name, given in answers.items():
            clean = Answers(given.logits[chosen], targets[chosen]).metrics()["top1"]
            found[model][name]["corruptions"] = {NONE: clean}
    nets = {model: each.net for model, each in shipped.items()}
    part = replace(originals, pictures=originals.pictures.subset(chosen))
    for model, precisions in corrupted(nets, part, CORRUPTIONS, tell=tell).items():
        for name, top1s in precisions.items():
            found[model][name]["corruptions"] |= top1s
    return found


def _open(model: str) -> _Shipped:
    checkpoint, weight = open_model(model)
    if weight is None or INT8 not in weight.files:
        raise ValueError(f"{model} has no record of its quantization; make it with `diracnet quantize`")
    return _Shipped(checkpoint, weight, Net.of(checkpoint, weight_file(weight, INT8), threads=1))
