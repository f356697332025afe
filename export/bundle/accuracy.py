"""How accurate a bundle's graphs are in ONNX Runtime, on the test pictures of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from export.bundle.reader import OpenBundle
from export.layout import FORMS, INPUT, OUTPUT, PICTURES
from export.proof.check import Check
from export.runtime.sessions import session_options
from zoo.training.data import Measurable
from zoo.training.evaluate import Tally, check_classes
from zoo.training.sources import load_test

TOP1 = 0.05
"""Limit on the difference of fp32's top-1 from the figure in the bundle, in points."""
INT8_TOP1, INT8_DISAGREEMENT = 0.3, 2.5
"""Limits on the top-1 that int8 loses to fp32, in points, and on the pictures that it sees differently, in percent."""
BATCH = 250


@dataclass(frozen=True)
class Accuracy:
    """The figures of one graph.

    Args:
        graph: its path.
        metrics: as `zoo.training.evaluate.Tally` gives them.
        agreement: share of the pictures on whose class it agrees with the float32 graph for tensors, in percent.
    """

    graph: str
    metrics: Mapping[str, float]
    agreement: float


def load_pictures(bundle: OpenBundle, data: str) -> Measurable:
    """Return the test pictures of a data set as a bundle's net wants them; see `zoo.training.sources.load_test`.

    Raises:
        ValueError: it has other classes than the net.
    """
    pictures = load_test(data, bundle.preprocessing)
    check_classes(bundle.folded, pictures, str(bundle.folder), data)
    return pictures


def graph_paths(bundle: OpenBundle) -> list[str]:
    """Return the paths of a bundle's graphs, that of float32 for tensors first."""
    paths = (path for name in bundle.forms for path in (FORMS[name].path, FORMS[name].pictures))
    return [path for path in paths if (bundle.folder / path).is_file()]


def measure(
    bundle: OpenBundle, pictures: Measurable, on_batch: Callable[[int], None] = lambda done: None
) -> Iterator[Accuracy]:
    """Yield the figures of each graph.

    Args:
        bundle: the bundle.
        pictures: what `load_pictures` returned.
        on_batch: told after each batch how many pictures were in it.
    """
    reference: Tensor | None = None
    for path in graph_paths(bundle):
        tally, answers = Tally(), []
        session = _session(bundle.folder / path)
        for images, targets in pictures.in_order(BATCH):
            logits = _logits(session, images, bundle)
            tally = tally.add(logits, targets)
            answers.append(logits.argmax(dim=1))
            on_batch(len(targets))
        classes = torch.cat(answers)
        reference = classes if reference is None else reference
        agreement = 100 * (classes == reference).double().mean().item()
        yield Accuracy(path, tally.metrics(len(pictures.classes)), agreement)


def check_accuracy(bundle: OpenBundle, pictures: Measurable, accuracies: Sequence[Accuracy]) -> Iterator[Check]:
    """Yield the checks against the figure in config.json, if there is one.

    Of the float32 graph, that it is as accurate as that; of the int8 graphs, that they are nearly so.
    """
    metrics = bundle.config.get("metrics")
    if metrics is None:
        return
    found = next(accuracy.metrics["top1"] for accuracy in accuracies if accuracy.graph == FORMS["fp32"].path)
    note = f"measured {found:.2f} %, {bundle.config['dataset']} is to give {metrics['top1']:.2f} %"
    expected = bundle.config["provenance"].get("data_sha256", {}).get("test")
    if expected not in (None, pictures.sha256()):
        note += "; these are not the pictures that the figure was measured on"
    yield Check("fp32: top-1 / that of the description, in points", abs(found - metrics["top1"]), TOP1, note)
    for accuracy in accuracies:
        if accuracy.graph in (FORMS["int8"].path, FORMS["int8"].pictures):
            lost, differing = found - accuracy.metrics["top1"], 100 - accuracy.agreement
            yield Check(f"{accuracy.graph}: top-1 below fp32, in points", lost, INT8_TOP1)
            yield Check(f"{accuracy.graph}: pictures seen otherwise than by fp32, in %", differing, INT8_DISAGREEMENT)


def _logits(session: onnxruntime.InferenceSession, images: Tensor, bundle: OpenBundle) -> Tensor:
    if session.get_inputs()[0].name == PICTURES:
        feed = {PICTURES: images.permute(0, 2, 3, 1).contiguous().numpy()}
    else:
        feed = {INPUT: bundle.preprocessing.normalize(images).contiguous().numpy()}
    return torch.from_numpy(session.run([OUTPUT], feed)[0])


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, session_options(), providers=["CPUExecutionProvider"])
