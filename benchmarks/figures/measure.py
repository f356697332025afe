"""Measures shipped nets by `export.figures`, and what their temperatures would be on training pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from export.commands.evaluate import CORRUPTED
from export.figures.corruptions import CORRUPTIONS
from export.figures.full import FullMeasurement
from export.figures.measure import DIGITS
from export.figures.net import FP32, Net
from export.figures.photographs import photographs
from export.figures.pictures import check_corruptible, load_originals
from export.int8.places import INT8
from zoo import Checkpoint, Weight
from zoo.reference import open_model
from zoo.training.calibration import fit_temperature
from zoo.training.evaluate import Answers, check_classes
from zoo.training.sources import load_sample
from zoo.weights.locate import weight_file

TRAINING = 2000
"""Training pictures on which a temperature is fitted too, to show how far off it is."""


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
        ValueError: a net is not shipped or has no record, or the data set has other classes.
        ModuleNotFoundError: SciPy, or what frost needs, is not installed.
    """
    if "frost" in CORRUPTIONS:
        photographs()  # or else it would be missing only after all pictures were classified
    shipped = {model: _open(model) for model in models}
    return {model: _measure(model, *each, data, tell, count) for model, each in shipped.items()}


def _open(model: str) -> tuple[Checkpoint, Weight]:
    checkpoint, weight = open_model(model)
    if weight is None or INT8 not in weight.files:
        raise ValueError(f"{model} has no record of its quantization; make it with `diracnet quantize`")
    return checkpoint, weight


def _measure(
    model: str, checkpoint: Checkpoint, weight: Weight, data: str, tell: Callable[[str], None], count: int
) -> dict[str, Any]:
    net = Net.of(checkpoint, weight_file(weight, INT8), threads=1)
    check_corruptible(data, net.how)
    tell(f"{model}: reading pictures")
    originals = load_originals(data, net.how)
    test = originals.seen(net.how)
    check_classes(checkpoint, test, model, data)
    measuring = FullMeasurement(net, originals, test, count=count, corruptions=CORRUPTIONS)
    _, found = measuring.run(tell=lambda text: tell(f"{model}: {text}"))
    if found["temperature"] is None:
        raise ValueError(f"{model}: {found['temperature_lacks']}")
    tell(f"{model}: training pictures")
    seen = load_sample(data, net.how, TRAINING, seed=0)
    on_training = fit_temperature(Answers(net.logits(FP32, seen.images), seen.targets))
    return {
        **found,
        "dataset": weight.dataset,
        "test_sha256": test.sha256(),
        "weights_sha256": weight.digests,
        "temperature_of_training_pictures": round(on_training, DIGITS),
        "training_pictures": len(seen),
        "threads": 1,
    }
