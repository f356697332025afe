"""The temperature: from a manifest to bundles, cards and the probabilities of both runtimes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from PIL import Image

from export import Classifier, export_bundle, verify
from export.commands.torch_classifier import TorchClassifier
from export.layout import CARD, CONFIG, GRAPH, GRAPHS, METADATA_KEY
from export.runtime.answers import answer
from zoo import Checkpoint, DiracNet, Spec, Weight
from zoo.files import read_json, write_json
from zoo.preprocessing import CIFAR
from zoo.weights.record import MANIFEST

SPEC = Spec(depth=10, width=0.25, family="cifar", num_classes=3)
TEMPERATURE = 2.5


@pytest.fixture(scope="module")
def record() -> Weight:
    return Weight(
        model=SPEC.name, tag="mine", spec=SPEC, labels=("cat", "dog", "fox"), preprocessing=CIFAR, dataset="Pets",
        metrics={"top1": 90.0}, licence="MIT", files={}, provenance={"source": "a test"}, temperature=TEMPERATURE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(record: Weight, randomised: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = randomised(DiracNet(SPEC)).state_dict()
    source = Checkpoint(form="dirac", spec=SPEC, tag="mine", labels=record.labels, preprocessing=CIFAR, state=state)
    out = tmp_path_factory.mktemp("b") / "bundle"
    export_bundle(source, out, record=record)
    return out


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def test_probabilities_are_those_of_the_divided_logits(bundle: Path, picture: Path) -> None:
    for graph in (GRAPH, GRAPHS["fp32"].pictures):
        net = Classifier(bundle / graph)
        (logits,) = net.logits(net.preprocess(Image.open(picture))[None])
        expected = np.exp(logits / TEMPERATURE) / np.exp(logits / TEMPERATURE).sum()
        (found,) = net.predict([Image.open(picture)])
        (streamed,) = answer(net, [picture])
        assert net.temperature == TEMPERATURE and list(streamed.classes) == found
        assert [each.probability for each in found] == pytest.approx(sorted(expected, reverse=True), rel=1e-5)
        assert found[0].label == net.labels[str(logits.argmax())]


def test_a_bundle_says_its_temperature_and_verifies(bundle: Path) -> None:
    verify(bundle)
    assert read_json(bundle / CONFIG)["temperature"] == TEMPERATURE
    assert "softmax of the `logits` divided by 2.5" in (bundle / CARD).read_text(encoding="utf-8")


def test_pytorch_takes_it_from_the_registry(record: Weight, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Checkpoint.load(bundle / "dirac" / "model.safetensors")
    for known, expected in ((record, TEMPERATURE), (replace(record, temperature=1.0), 1.0), (None, 1.0)):
        found = lambda *given, known=known, **options: (source, known)  # noqa: E731
        monkeypatch.setattr("export.commands.torch_classifier.open_model", found)
        assert TorchClassifier("net").temperature == expected


def test_without_one_it_is_one(record: Weight, tmp_path: Path) -> None:
    plain = replace(record, temperature=1.0)
    assert "temperature" not in plain.to_manifest() and record.to_manifest()["temperature"] == TEMPERATURE
    for each in (plain, record):
        path = tmp_path / each.model / each.tag / MANIFEST
        write_json(path, each.to_manifest())
        assert Weight.from_manifest(path).temperature == each.temperature


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e6, "2", None, True, [1]])
def test_other_values_are_refused(value: object, record: Weight, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="temperature"):
        replace(record, temperature=value)
    model = onnx.load(bundle / GRAPH)
    (entry,) = (each for each in model.metadata_props if each.key == METADATA_KEY)
    described = {**json.loads(entry.value), "temperature": value}
    helper.set_model_props(model, {METADATA_KEY: json.dumps(described)})
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="temperature"):
        Classifier(tmp_path / "net.onnx")
