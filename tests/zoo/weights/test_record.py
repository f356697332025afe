"""The registry of weights, and how files are found and checked."""

import dataclasses
import json
import urllib.error
from pathlib import Path

import huggingface_hub
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


def test_upstream_weights_are_checked_cached_and_honest_about_dead_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    source = tmp_path / "folded-00000000.pth"
    torch.save(zoo.diracnet(depth=18, folded=True).state_dict(), source)
    record = zoo.get_weight("diracnet18", "imagenet1k_upstream")
    file = WeightFile(source.as_uri(), sha256(source)[:8])
    local = dataclasses.replace(record, files={"folded": file})
    cached = tmp_path / "cache" / "checkpoints" / source.name

    loaded = load_weight(local, "folded")
    assert (loaded.spec, loaded.tag, loaded.labels) == (record.spec, record.tag, record.labels)
    cached.write_bytes(b"damaged")
    assert load_weight(local, "folded").spec == record.spec and sha256(cached) == sha256(source)

    wrong = dataclasses.replace(record, files={"folded": WeightFile(source.as_uri(), "ffffffff")})
    with pytest.raises(RuntimeError, match="invalid hash value"):
        load_weight(wrong, "folded")

    def gone(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no such host")

    cached.unlink()
    monkeypatch.setattr(torch.hub, "download_url_to_file", gone)
    with pytest.raises(RuntimeError, match=r"may be gone; if you have the file, give it to zoo\.load_upstream"):
        zoo.get_model("diracnet18", weights="imagenet1k_upstream", folded=True)
    with pytest.raises(ValueError, match="no file in dirac form whose sha256 is known"):
        zoo.get_model("diracnet18", weights="imagenet1k_upstream")


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
