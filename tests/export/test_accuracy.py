"""`diracnet verify --data`: each graph's accuracy, and whether it is what the description says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export import export_bundle
from export.accuracy import check_accuracy, load_pictures, measure
from export.layout import FORMS
from export.opened import OpenBundle
from zoo import Checkpoint, DiracNet, Spec, Weight
from zoo.training.data import Pictures
from zoo.training.evaluate import evaluate
from zoo.training.sources import DIGITS, load_test

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
    return Checkpoint(form="dirac", spec=SPEC, weights="mine", labels=labels, preprocessing=DIGITS, state=state)


def bundle(source: Checkpoint, out: Path, metrics: dict[str, float], pictures_sha256: str) -> OpenBundle:
    record = Weight(
        model=SPEC.name, tag="mine", spec=SPEC, labels=source.labels, preprocessing=DIGITS, dataset="Digits",
        metrics=metrics, licence="Apache-2.0", files={},
        provenance={"data_sha256": {"test": pictures_sha256}, "source": "a test"},
    )  # fmt: skip
    export_bundle(source, out, record=record, formats=["all"])
    return OpenBundle(out)


def test_each_graph_is_measured_as_pytorch_measures(source: Checkpoint, pictures: Pictures, tmp_path: Path) -> None:
    expected = evaluate(source.model(), pictures, DIGITS)
    opened = bundle(source, tmp_path / "b", expected, pictures.sha256())
    done: list[int] = []
    found = list(measure(opened, load_pictures(opened, "digits"), done.append))
    assert [one.graph for one in found] == [path for form in FORMS.values() for path in (form.path, form.pictures)]
    assert sum(done) == len(found) * len(pictures)
    for one in found:
        half = "fp16" in one.graph
        assert one.metrics["top1"] == pytest.approx(expected["top1"], abs=0.6 if half else 1e-9)
        assert one.metrics["loss"] == pytest.approx(expected["loss"], rel=1e-2 if half else 1e-4)
        assert one.agreement >= (99 if half else 100)
    (check,) = check_accuracy(opened, pictures, found)
    assert check.passed and check.figure == pytest.approx(0, abs=1e-9)


def test_another_accuracy_than_the_descriptions_fails(source: Checkpoint, pictures: Pictures, tmp_path: Path) -> None:
    measured = evaluate(source.model(), pictures, DIGITS)
    for points, passed in ((0.04, True), (0.06, False)):
        metrics = {**measured, "top1": measured["top1"] + points}
        opened = bundle(source, tmp_path / str(points), metrics, "0" * 64)
        (check,) = check_accuracy(opened, pictures, list(measure(opened, pictures)))
        assert check.passed == passed and check.figure == pytest.approx(points)
        assert "not the pictures that the figure was measured on" in check.note


def test_weights_without_a_figure_are_only_measured(source: Checkpoint, pictures: Pictures, tmp_path: Path) -> None:
    export_bundle(source, tmp_path / "b")
    opened = OpenBundle(tmp_path / "b")
    found = list(measure(opened, pictures))
    assert len(found) == 2 and not list(check_accuracy(opened, pictures, found))
    export_bundle(replace(source, labels=tuple("abcdefghij")), tmp_path / "other")
    with pytest.raises(ValueError, match="tells apart"):
        load_pictures(OpenBundle(tmp_path / "other"), "digits")
