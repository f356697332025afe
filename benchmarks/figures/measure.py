"""Measures a shipped net in float32 and int8: its classes, its probabilities, and what corrupted pictures do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from benchmarks.figures.corruptions import CORRUPTIONS, corrupt
from export import emit, fold
from export.int8.graph import quantize
from export.int8.record import Quantization
from export.int8.source import INT8
from export.layout import INPUT, OUTPUT
from export.runtime.sessions import open_session
from zoo import Preprocessing, Weight, build_from
from zoo.machine import describe
from zoo.reference import open_model
from zoo.training.calibration import calibration_error, fit_temperature, reliability
from zoo.training.confusion import confusion_matrix
from zoo.training.data import split_classes
from zoo.training.evaluate import Answers, check_classes
from zoo.training.sources import default_preprocessing, load_sample, load_test
from zoo.weights.locate import weight_file

SEVERITIES = (1, 3, 5)
CORRUPTED = 2000
"""Test pictures that are corrupted, the same number of each class, drawn with seed 0; `measure` takes all if fewer."""
BATCH = 250
TRAINING = 2000
"""Training pictures on which a temperature is fitted too, to show how far off it is."""
DIGITS = 4
"""Decimals of a temperature."""

Logits = Callable[[Tensor], Tensor]
"""Maps uint8 pictures, (n, channels, size, size), to logits."""


@dataclass(frozen=True)
class _Shipped:
    """A shipped net in both precisions."""

    weight: Weight
    how: Preprocessing
    nets: Mapping[str, Logits]


def measure(
    models: Sequence[str], data: str, tell: Callable[[str], None], *, corrupted: int = CORRUPTED
) -> dict[str, dict[str, Any]]:
    """Return all figures of shipped nets by name; see `docs/figures.md` for what they mean.

    Args:
        models: shipped nets with records of their quantization, as NAME:TAG.
        data: the data set that they were trained and tested on.
        tell: called with what comes next.
        corrupted: how many pictures to corrupt.

    Raises:
        ValueError: a net is not shipped or has no record, or the data set has other classes.
    """
    shipped = {model: _open(model) for model in models}
    tell("reading pictures")
    own = default_preprocessing(data)
    originals = load_test(data, replace(own, size=own.resize))
    targets = originals.targets
    halves = split_classes(targets, 0.5, seed=0)
    chosen = split_classes(targets, min(1, corrupted / len(targets)), seed=0)[1]
    found: dict[str, dict[str, Any]] = {}
    for model, each in shipped.items():
        tell(f"{model}: test pictures")
        test = replace(originals, images=_crops(originals.images, each.how))
        checkpoint, _ = open_model(model)
        check_classes(checkpoint, test, model, data)
        answers = {name: Answers(_in_batches(net, test.images), targets) for name, net in each.nets.items()}
        swapped = _swapped_temperatures(answers["fp32"], halves)
        seen = load_sample(data, each.how, TRAINING, seed=0)
        on_training = Answers(_in_batches(each.nets["fp32"], seen.images), seen.targets)
        parts = [Answers(answers["fp32"].logits[half], targets[half]) for half in halves]
        found[model] = {
            "dataset": each.weight.dataset,
            "test_pictures": len(test),
            "test_sha256": test.sha256(),
            "weights_sha256": {form: file.sha256 for form, file in each.weight.files.items()},
            "classes": list(test.classes),
            "corrupted_pictures": len(chosen),
            "temperature": _temperature(answers["fp32"]),
            "temperatures_of_halves": [_temperature(part) for part in parts],
            "temperature_of_training_pictures": _temperature(on_training),
            "training_pictures": len(seen),
            **{name: _figures(each, swapped) for name, each in answers.items()},
            **describe(("torch", "onnxruntime", "numpy", "scipy", "pillow"), threads=1),
        }
        for name in each.nets:
            found[model][name]["corruptions"] = {"none": _top1(answers[name].logits[chosen], targets[chosen])}
    for corruption in CORRUPTIONS:
        for severity in SEVERITIES:
            pictures = torch.from_numpy(corrupt(originals.images[chosen].numpy(), corruption, severity))
            for model, each in shipped.items():
                tell(f"{model}: {corruption}, severity {severity}")
                crops = _crops(pictures, each.how)
                for name, net in each.nets.items():
                    top1 = _top1(_in_batches(net, crops), targets[chosen])
                    found[model][name]["corruptions"].setdefault(corruption, {})[str(severity)] = top1
    return found


def _open(model: str) -> _Shipped:
    checkpoint, weight = open_model(model)
    if weight is None or INT8 not in weight.files:
        raise ValueError(f"{model} has no record of its quantization; make it with `diracnet quantize`")
    how = checkpoint.known_preprocessing()
    graph = emit(cast(nn.Sequential, fold(build_from(checkpoint))))
    quantized = quantize(graph, Quantization.load(weight_file(weight, INT8)))
    nets = {name: _net(each.SerializeToString(), how) for name, each in (("fp32", graph), ("int8", quantized))}
    return _Shipped(weight, how, nets)


def _temperature(answers: Answers) -> float:
    return round(fit_temperature(answers), DIGITS)


def _swapped_temperatures(answers: Answers, halves: tuple[Tensor, Tensor]) -> Tensor:
    """Return for each picture the temperature that was fitted on the half that it is not in, (n, 1)."""
    temperatures = torch.empty(len(answers.targets), 1, dtype=torch.float64)
    for half, other in (halves, halves[::-1]):
        temperatures[other] = fit_temperature(Answers(answers.logits[half], answers.targets[half]))
    return temperatures


def _figures(answers: Answers, temperatures: Tensor) -> dict[str, Any]:
    scaled = replace(answers, logits=answers.logits.double() / temperatures)
    calibrated = {}
    for name, each in (("as computed", answers), ("with temperature", scaled)):
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


def _crops(pictures: Tensor, how: Preprocessing) -> Tensor:
    """Return pictures of a data set's own size, (n, height, width, channels), resized and cropped for a net."""
    return torch.stack([_crop(picture, how) for picture in pictures.numpy()])


def _crop(picture: NDArray[np.uint8], how: Preprocessing) -> Tensor:
    opened = Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)
    return how.crop(opened).permute(1, 2, 0)


def _net(model: bytes, how: Preprocessing) -> Logits:
    session: onnxruntime.InferenceSession = open_session(model, 1, spinning=False, log_severity_level=3)

    def logits(pictures: Tensor) -> Tensor:
        fed = how.normalize(pictures).contiguous().numpy()
        return torch.from_numpy(session.run([OUTPUT], {INPUT: fed})[0])

    return logits


def _in_batches(net: Logits, images: Tensor) -> Tensor:
    return torch.cat([net(part.permute(0, 3, 1, 2)) for part in images.split(BATCH)])


def _top1(logits: Tensor, targets: Tensor) -> float:
    return Answers(logits, targets).metrics()["top1"]
