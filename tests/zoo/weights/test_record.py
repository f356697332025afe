"""The registry of weights, and how files are found and checked."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import zoo
from zoo.files import sha256
from zoo.layout import FORMS
from zoo.weights.locate import load_weight, weight_file
from zoo.weights.record import Weight, WeightFile, all_weights, default_tag

RECORDS = [pytest.param(record, id=":".join(key)) for key, record in all_weights().items()]
SHIPPED = [pytest.param(record, id=":".join(key)) for key, record in all_weights().items() if record.folder]


@pytest.mark.parametrize("record", RECORDS)
def test_every_record_is_complete(record: Weight) -> None:
    assert record is zoo.get_weight(record.model, record.tag)
    assert record.tag in zoo.list_weights(record.model)
    assert len(record.labels) == record.spec.num_classes
    assert dataclasses.replace(record.spec, num_classes=1, in_channels=3) == dataclasses.replace(
        zoo.get_spec(record.model), num_classes=1
    )
    assert 0 < record.metrics["top1"] <= 100
    assert record.licence and record.dataset
    size = record.preprocessing.size
    assert record.transforms()(Image.new("RGB", (300, 200))).shape == (record.spec.in_channels, size, size)


@pytest.mark.parametrize("record", SHIPPED)
def test_shipped_weights_load_in_both_forms_and_agree(record: Weight) -> None:
    pictures = torch.randn(4, record.spec.in_channels, 32, 32, generator=torch.Generator().manual_seed(0))
    net = zoo.get_model(record.model, weights=record.tag)
    folded = zoo.get_model(record.model, weights=record.tag, folded=True)
    assert not net.training and not folded.training
    with torch.inference_mode():
        expected, found = net(pictures), folded(pictures)
    assert (expected - found).abs().max() <= 1e-5 * expected.abs().max()
    for form, file in record.files.items():
        path = record.folder / file.path
        assert sha256(path) == file.sha256 and path.stat().st_size == file.size
        assert weight_file(record, form) == path
        if form in FORMS:
            assert load_weight(record, form).tag == record.tag


@pytest.mark.parametrize("record", SHIPPED)
def test_the_shipped_log_is_that_of_the_manifest(record: Weight) -> None:
    log = record.folder / record.provenance["log"]["path"]
    assert sha256(log) == record.provenance["log"]["sha256"]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(record.recipe["epochs"]))


def test_at_least_one_net_is_shipped_and_good() -> None:
    assert zoo.get_weight("diracnet16_cifar", "cifar10").metrics["top1"] >= 82
    assert default_tag("diracnet16_cifar").startswith("cifar10")


def test_errors_say_what_there_is() -> None:
    with pytest.raises(ValueError, match="its tags are cifar10"):
        zoo.get_weight("diracnet16_cifar", "cifar100")
    with pytest.raises(ValueError, match="it has none"):
        zoo.get_weight("diracnet18_x2", "imagenet")
    with pytest.raises(ValueError, match=r"these nets have some: .*diracnet16_cifar"):
        default_tag("diracnet18_x2")
    with pytest.raises(ValueError, match="num_classes=100 contradicts the weights 'cifar10'"):
        zoo.get_model("diracnet16_cifar", weights="cifar10", num_classes=100)
    assert zoo.get_model("diracnet16_cifar", weights="cifar10", num_classes=10).spec.num_classes == 10


def test_an_altered_or_missing_file_is_refused(tmp_path: Path) -> None:
    record = zoo.get_weight("diracnet16_cifar", "cifar10")
    file = record.files["folded"]
    content = bytearray((record.folder / file.path).read_bytes())
    content[-1] ^= 1
    (tmp_path / file.path).write_bytes(content)
    moved = dataclasses.replace(record, folder=tmp_path)
    with pytest.raises(ValueError, match=r"is damaged: its sha256 is .*, the registry says"):
        load_weight(moved, "folded")
    with pytest.raises(FileNotFoundError, match="or from a clone"):
        load_weight(moved, "dirac")


def test_weights_of_others_exist_in_one_form() -> None:
    with pytest.raises(
        ValueError, match=r"no file in dirac form whose hash is known, only in folded form: pass folded="
    ):
        zoo.get_model("diracnet18", weights="imagenet1k")


def test_a_manifest_in_the_wrong_folder_is_refused(tmp_path: Path) -> None:
    record = zoo.get_weight("diracnet16_cifar", "cifar10")
    folder = tmp_path / "diracnet16_cifar" / "cifar100"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes((record.folder / "manifest.json").read_bytes())
    with pytest.raises(ValueError, match="it is that of diracnet16_cifar:cifar10"):
        Weight.from_manifest(folder / "manifest.json")


@pytest.mark.parametrize("record", SHIPPED)
def test_a_manifest_is_read_and_written_alike(record: Weight) -> None:
    assert record.to_manifest() == json.loads((record.folder / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("digest", ["", "a", "0123456", "0123456g", "ABCDEF01", "0" * 65])
def test_short_and_malformed_hashes_are_refused(digest: str) -> None:
    """The start of a hash is compared, and an empty one is the start of all."""
    with pytest.raises(ValueError, match="it must be 8 to 64 lower-case hexadecimal digits"):
        WeightFile("model.safetensors", digest)
