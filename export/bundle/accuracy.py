"""The accuracy of a bundle's graphs in ONNX Runtime, measured on the test pictures of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from export.bundle.reader import OpenBundle
from export.formats.format import Run
from export.formats.table import FORMATS
from export.layout import GRAPH
from export.proof.check import Check
from zoo.training.data import Measurable
from zoo.training.evaluate import Answers, check_classes
from zoo.training.sources import load_test

TOP1 = 0.05
"""Limit on the difference between the measured fp32 top-1 and the figure in the bundle, in percentage points."""
BATCH = 250


@dataclass(frozen=True)
class Accuracy:
    """The figures measured for one graph.

    Args:
        graph: path of the graph in the bundle.
        metrics: the metrics, as `zoo.training.evaluate.Answers` returns them.
        agreement: percentage of the pictures for which it predicts the same class as the float32 graph for tensors.
    """

    graph: str
    metrics: Mapping[str, float]
    agreement: float


def load_pictures(bundle: OpenBundle, data: str) -> Measurable:
    """Load the test pictures of a data set as a bundle's net expects them; see `zoo.training.sources.load_test`.

    Raises:
        ValueError: the classes of the data set are not those of the net.
    """
    pictures = load_test(data, bundle.preprocessing)
    check_classes(bundle.folded.checkpoint, pictures, str(bundle.folder), data)
    return pictures


def graph_paths(bundle: OpenBundle) -> list[str]:
    """Return the paths of the bundle's files that compute logits, starting with the float32 graph for tensors."""
    return [path for path, _ in _runs(bundle)]


def measure(
    bundle: OpenBundle, pictures: Measurable, on_batch: Callable[[int], None] = lambda done: None
) -> Iterator[Accuracy]:
    """Measure each graph in turn and yield its figures.

    Args:
        bundle: the bundle.
        pictures: the pictures that `load_pictures` returned.
        on_batch: called after each batch with the number of pictures in it.
    """
    reference: Tensor | None = None
    for path, run in _runs(bundle):
        logits, classes = [], []
        for images, targets in pictures.in_order(BATCH):
            logits.append(run(images))
            classes.append(targets)
            on_batch(len(targets))
        answers = Answers(torch.cat(logits), torch.cat(classes))
        reference = answers.predicted if reference is None else reference
        agreement = 100 * (answers.predicted == reference).double().mean().item()
        yield Accuracy(path, answers.metrics(), agreement)


def check_accuracy(bundle: OpenBundle, pictures: Measurable, accuracies: Sequence[Accuracy]) -> Iterator[Check]:
    """Yield the checks of the measured accuracies; none if config.json states no accuracy.

    The float32 graph must match the stated figure. A format with limits of its own may fall short of the float32 graph
    by as much as those limits allow.
    """
    metrics = bundle.config.get("metrics")
    if metrics is None:
        return
    found = next(accuracy.metrics["top1"] for accuracy in accuracies if accuracy.graph == GRAPH)
    note = f"measured {found:.2f}%, {bundle.config['dataset']} is to give {metrics['top1']:.2f}%"
    expected = bundle.config["provenance"].get("data_sha256", {}).get("test")
    if expected not in (None, pictures.sha256()):
        note += "; these are not the pictures that the figure was measured on"
    yield Check("fp32: top-1 / that of the description, in points", abs(found - metrics["top1"]), TOP1, note)
    limits = {path: FORMATS[name].limits for name in bundle.formats for path in FORMATS[name].files(bundle.name)}
    for accuracy in accuracies:
        if (limit := limits[accuracy.graph]) is not None:
            lost, differing = found - accuracy.metrics["top1"], 100 - accuracy.agreement
            yield Check(f"{accuracy.graph}: top-1 below fp32, in points", lost, limit.top1)
            yield Check(
                f"{accuracy.graph}: pictures classified differently than by fp32, in %", differing, limit.disagreement
            )


def _runs(bundle: OpenBundle) -> Iterator[tuple[str, Run]]:
    for name in bundle.formats:
        yield from FORMATS[name].runs(bundle.folder, bundle.preprocessing)
