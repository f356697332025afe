"""`diracnet verify --data`: each graph's accuracy, and whether it is what the description says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export import export_bundle
from export.bundle.accuracy import check_accuracy, load_pictures, measure
from export.bundle.reader import OpenBundle
from export.formats.table import FORMATS
from export.int8.source import quantize_on
from export.layout import GRAPHS, LITERT, LITERT_INT8
from zoo import Checkpoint, DiracNet, Spec, Weight, build_from
from zoo.preprocessing import DIGITS
from zoo.training.data import Pictures
from zoo.training.evaluate import evaluate
from zoo.training.sources import load_test

LIMITS = {"fp16": (0.6, 1e-2, 99), "quantized": (2, 0.1, 97), "model_int8": (2, 0.1, 97), "": (1e-9, 1e-4, 100)}
"""Of the difference in top-1, of that in the loss, and on the agreement, by a word in the graph's name."""
SPEC = Spec(depth=10, width=0.25, family="cifar", in_channels=1)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return load_test("digits", DIGITS)


@pytest.fixture(scope="module")
def source(randomised: Callable) -> Checkpoint:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = randomised(DiracNet(SPEC)).state_dict()
    labels = tuple(str(digit) for digit in range(10))
    return Checkpoint(form="dirac", spec=SPEC, tag="mine", labels=labels, preprocessing=DIGITS, state=state)


def bundle(source: Checkpoint, out: Path, metrics: dict[str, float], pictures_sha256: str, *formats: str) -> OpenBundle:
    record = Weight(
        model=SPEC.name, tag="mine", spec=SPEC, labels=source.labels, preprocessing=DIGITS, dataset="Digits",
        metrics=metrics, licence="Apache-2.0", files={},
        provenance={"data_sha256": {"test": pictures_sha256}, "source": "a test"},
    )  # fmt: skip
    quantization = quantize_on(source, "digits") if formats else None
    export_bundle(source, out, record=record, formats=formats or ["fp32"], quantization=quantization)
    return OpenBundle(out)


def test_each_graph_is_measured_as_pytorch_measures(source: Checkpoint, pictures: Pictures, tmp_path: Path) -> None:
    expected = evaluate(build_from(source), pictures, DIGITS)
    opened = bundle(source, tmp_path / "b", expected, pictures.sha256(), "all")
    done: list[int] = []
    found = list(measure(opened, load_pictures(opened, "digits"), done.append))
    graphs = [path for form in GRAPHS.values() for path in (form.path, form.pictures)]
    assert [one.graph for one in found] == [*graphs, LITERT, LITERT_INT8]
    assert sum(done) == len(found) * len(pictures)
    for one in found:
        points, share, agreement = next(limits for word, limits in LIMITS.items() if word in one.graph)
        assert one.metrics["top1"] == pytest.approx(expected["top1"], abs=points)
        assert one.metrics["loss"] == pytest.approx(expected["loss"], rel=share)
        assert one.agreement >= agreement
    whole, *int8 = check_accuracy(opened, pictures, found)
    assert whole.passed and whole.figure == pytest.approx(0, abs=1e-9)
    *_, tensors, raw, _, model = found
    assert [check.figure for check in int8] == pytest.approx(
        [
            figure
            for one in (tensors, raw, model)
            for figure in (expected["top1"] - one.metrics["top1"], 100 - one.agreement)
        ]
    )
    assert [check.limit for check in int8] == [FORMATS["int8"].limits.top1, FORMATS["int8"].limits.disagreement] * 3


def test_another_accuracy_than_the_descriptions_fails(source: Checkpoint, pictures: Pictures, tmp_path: Path) -> None:
    measured = evaluate(build_from(source), pictures, DIGITS)
    for points, passed in ((0.04, True), (0.06, False)):
        metrics = {**measured, "top1": measured["top1"] + points}
        opened = bundle(source, tmp_path / str(points), metrics, "0" * 64)
        check, *_ = check_accuracy(opened, pictures, list(measure(opened, pictures)))
        assert check.passed == passed and check.figure == pytest.approx(points)
        assert "not the pictures that the figure was measured on" in check.note


def test_weights_without_a_figure_are_only_measured(source: Checkpoint, pictures: Pictures, tmp_path: Path) -> None:
    export_bundle(source, tmp_path / "b")
    opened = OpenBundle(tmp_path / "b")
    found = list(measure(opened, pictures))
    assert len(found) == 2 and not list(check_accuracy(opened, pictures, found))
    export_bundle(replace(source, labels=tuple("abcdefghij")), tmp_path / "other")
    with pytest.raises(ValueError, match="tells other classes apart than"):
        load_pictures(OpenBundle(tmp_path / "other"), "digits")
