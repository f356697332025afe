"""Where records of quantizations come from: pictures, the registry, noise; and the commands that make them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from export.bundle.audit import audit
from export.bundle.golden import CELLS as GOLDEN_CELLS
from export.bundle.writer import export_bundle
from export.folding.folded import FoldedNet
from export.int8.calibration import PLAIN
from export.int8.places import BESIDE
from export.int8.record import Quantization
from export.int8.samples import draw_pictures
from export.int8.source import NOISE_CELLS, known_quantization, quantize_on, quantize_on_noise, ship_quantization
from export.layout import GRAPHS, QUANTIZATION
from export.proof.check import VerificationError
from pixels.mosaics import mosaics
from zoo import Checkpoint, DiracNet, Spec, Weight, build_from
from zoo.files import sha256
from zoo.preprocessing import CIFAR
from zoo.reference import open_model

SPEC = Spec(depth=10, width=0.25, family="cifar", num_classes=3)


@pytest.fixture(scope="module")
def source(randomised: Callable) -> Checkpoint:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = randomised(DiracNet(SPEC)).state_dict()
    return Checkpoint(form="dirac", spec=SPEC, tag="mine", labels=tuple("abc"), preprocessing=CIFAR, state=state)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 24 training pictures, all dark, and 6 test pictures, all light."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    for half, count, low in (("train", 8, 0), ("test", 2, 200)):
        for label in "abc":
            (folder / half / label).mkdir(parents=True)
            for index in range(count):
                cells = generator.integers(low, low + 55, (4, 4, 3), np.uint8).repeat(9, 0).repeat(9, 1)
                Image.fromarray(cells).save(folder / half / label / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def checkpoint_file(source: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mine") / "model.safetensors"
    source.save(path)
    return path


def test_pictures_are_drawn_by_seed_from_the_training_half(data: Path) -> None:
    images, origin = draw_pictures(str(data), CIFAR, 10)
    assert images.shape == (10, 32, 32, 3) and images.dtype == torch.uint8 and images.max() < 60
    assert origin["pictures"] == 10 and origin["seed"] == 0
    again, same = draw_pictures(str(data), CIFAR, 10)
    assert torch.equal(images, again) and origin == same
    more, _ = draw_pictures(str(data), CIFAR, 1000)
    assert len(more) == 24 and torch.equal(more[:10], images)
    other, differing = draw_pictures(str(data), CIFAR, 10, seed=1)
    assert not torch.equal(images, other) and differing["sha256"] != origin["sha256"]


def test_any_folder_of_pictures_will_do_but_no_test_half_alone(data: Path, tmp_path: Path) -> None:
    images, _ = draw_pictures(str(data / "train"), CIFAR)
    assert len(images) == 24
    shutil.copytree(data / "test", tmp_path / "half" / "test")
    with pytest.raises(ValueError, match="no folder train"):
        draw_pictures(str(tmp_path / "half"), CIFAR)
    (tmp_path / "none").mkdir()
    for folder in ("none", "nowhere"):
        with pytest.raises((ValueError, OSError), match=folder):
            draw_pictures(str(tmp_path / folder), CIFAR)
    (tmp_path / "none" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"bad\.png"):
        draw_pictures(str(tmp_path / "none"), CIFAR)


@pytest.mark.parametrize("half", ["", "train"], ids=["data set", "folder"])
def test_others_take_the_place_of_damaged_pictures(half: str, data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(data, tmp_path / "d")) / half
    clean, _ = draw_pictures(str(folder), CIFAR, 12)
    damaged = sorted((tmp_path / "d" / "train").rglob("*.png"))[::3]
    for path in damaged:
        path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"pictures cannot be read; .*--skip-damaged"):
        draw_pictures(str(folder), CIFAR, 12)
    images, origin = draw_pictures(str(folder), CIFAR, 12, skip_damaged=True)
    assert len(images) == origin["pictures"] == 12 and not torch.equal(images, clean)
    assert set(origin["skipped"]) <= {path.relative_to(folder).as_posix() for path in damaged}
    kept = [picture for picture in clean if any(torch.equal(picture, other) for other in images)]
    assert (
        0 < len(kept) < 12 and origin["sha256"] == draw_pictures(str(folder), CIFAR, 12, skip_damaged=True)[1]["sha256"]
    )
    every, whole = draw_pictures(str(folder), CIFAR, skip_damaged=True)
    assert len(every) == 16 and len(whole["skipped"]) == 8


def test_what_is_known_without_pictures(source: Checkpoint, data: Path) -> None:
    shipped, record = open_model("diracnet16_cifar:cifar10")
    found = known_quantization(FoldedNet.of(shipped), record)
    assert found.calibration["pictures"] >= 100 and len(found.calibration["sha256"]) == 64
    untrained, _ = open_model("diracnet10_cifar")
    assert known_quantization(FoldedNet.of(untrained), None).calibration["source"].startswith("noise")
    with pytest.raises(ValueError, match=r"needs pictures that the net was trained on.* with --calibration"):
        known_quantization(FoldedNet.of(source), None)
    own = quantize_on(source, str(data))
    assert known_quantization(FoldedNet.of(source), None, own) is own and own.calibration["pictures"] == 24
    with pytest.raises(ValueError, match=r"is not that of this net: .*calibrate again"):
        known_quantization(FoldedNet.of(untrained), None, own)
    with pytest.raises(ValueError, match="lack 'preprocessing'"):
        quantize_on(replace(source, preprocessing=None), str(data))


def test_a_record_serves_export_wherever_it_lies_with_the_net(
    diracnet: Callable, checkpoint_file: Path, data: Path, tmp_path: Path
) -> None:
    net, other = tmp_path / "net.safetensors", tmp_path / "other"
    shutil.copy(checkpoint_file, net)
    assert diracnet("export", net, "--formats", "int8", "--out", tmp_path / "none")[0] == 2
    record = tmp_path / BESIDE
    assert diracnet("quantize", net, "--calibration", data, "--out", record)[0] == 0
    status, _, errors = diracnet("export", net, "--formats", "int8", "--out", tmp_path / "first")
    assert status == 0, errors
    status, _, errors = diracnet("export", tmp_path / "first", "--formats", "int8", "--out", tmp_path / "second")
    assert status == 0, errors
    for name in (QUANTIZATION, GRAPHS["int8"].path):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert (tmp_path / "second" / QUANTIZATION).read_bytes() == record.read_bytes()
    for made, source in (("first", net), ("second", tmp_path / "first")):
        assert diracnet("reproduce", tmp_path / made, "--from", source)[0] == 0
    other.mkdir()
    quantize_on_noise(open_model("diracnet10_v1_cifar")[0]).save(other / BESIDE)
    shutil.copy(net, other)
    status, _, errors = diracnet("export", other / net.name, "--formats", "int8", "--out", other / "bundle")
    assert status == 2 and "is not that of this net" in errors and not (other / "bundle").exists()


@pytest.mark.parametrize("form", ["int8", "litert-int8", "c"])
def test_a_record_whose_net_answers_only_zeros_is_refused(
    form: str, source: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = quantize_on_noise(source)
    silent = {
        name: replace(layer, weight=np.zeros_like(layer.weight), bias=np.zeros_like(layer.bias))
        for name, layer in record.layers.items()
    }
    export = partial(export_bundle, source, tmp_path / "b", formats=[form], quantization=replace(record, layers=silent))
    with pytest.raises(ValueError, match="is not that of this net"):
        export()
    monkeypatch.setattr("export.int8.source.mismatches", lambda *arguments: [])
    with pytest.raises(VerificationError, match=f"{form}: golden outputs"):
        export()
    assert not (tmp_path / "b").exists()


def test_both_forms_of_a_net_have_the_same_record(source: Checkpoint) -> None:
    from export import fold

    folded = replace(source, form="folded", state=fold(build_from(source)).state_dict())
    one, other = quantize_on_noise(source), quantize_on_noise(folded)
    assert all(np.array_equal(one.layers[name].weight, other.layers[name].weight) for name in one.layers)
    assert one.activations == other.activations and one.calibration["method"] == PLAIN.__dict__


def test_a_record_is_shipped_with_its_hash(data: Path, source: Checkpoint, tmp_path: Path) -> None:
    record = zoo.get_weight("diracnet16_cifar", "cifar10")
    folder = tmp_path / "diracnet16_cifar" / "cifar10"
    shutil.copytree(record.folder, folder)
    quantization = quantize_on(source, str(data))
    path = ship_quantization(Weight.from_manifest(folder / "manifest.json"), quantization)
    written = Weight.from_manifest(folder / "manifest.json")
    assert written.files["int8"].sha256 == sha256(path) and written.files["int8"].size == path.stat().st_size
    assert replace(written, files=record.files, folder=record.folder) == record
    with pytest.raises(ValueError, match="is not in checkpoints"):
        ship_quantization(zoo.get_weight("diracnet18", "imagenet1k"), quantization)


def test_a_checkpoint_of_the_users_becomes_an_int8_bundle(
    diracnet: Callable, checkpoint_file: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    status, output, errors = diracnet(
        "export", checkpoint_file, "--formats", "int8", "--calibration", data, "--out", out, "-v"
    )
    assert status == 0, errors
    assert "int8: integer arithmetic / ONNX Runtime" in " ".join(output.split())
    assert (out / GRAPHS["int8"].path).is_file() and not (out / GRAPHS["fp16"].path).exists()
    assert Quantization.load(out / QUANTIZATION).calibration["pictures"] == 24
    assert all(check.passed for check in audit(out))


def test_int8_without_pictures_is_refused_with_the_remedy(
    diracnet: Callable, checkpoint_file: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    for arguments, message in (
        (("--formats", "int8"), "give a data set or a folder of pictures with --calibration"),
        (("--calibration", data), "--calibration is for int8; add --formats int8"),
        (("--formats", "all", "--calibration", tmp_path), str(tmp_path)),
    ):
        status, _, errors = diracnet("export", checkpoint_file, *arguments, "--out", out)
        assert status == 2 and message in " ".join(errors.split()) and not out.exists()
    assert not list(tmp_path.iterdir())


def test_the_command_that_makes_a_record(diracnet: Callable, checkpoint_file: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "record.safetensors"
    status, output, errors = diracnet("quantize", checkpoint_file, "--calibration", data, "--out", out)
    assert status == 0, errors
    assert "in int8, calibrated on 24 pictures" in " ".join(output.split())
    source = Checkpoint.load(checkpoint_file)
    export_bundle(source, tmp_path / "bundle", formats=["int8"], quantization=Quantization.load(out))
    assert sha256(tmp_path / "bundle" / QUANTIZATION) == sha256(out)
    for arguments, message in (
        (("--out", out), "exists already"),
        ((), "is not one of the registry's weights, so name the file to write with --out"),
    ):
        status, _, errors = diracnet("quantize", checkpoint_file, "--calibration", data, *arguments)
        assert status == 2 and message in " ".join(errors.split())


def test_a_net_that_is_in_no_clone_is_refused_before_it_is_calibrated(
    diracnet: Callable, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.int8.source.clone", lambda: None)
    monkeypatch.setattr("export.int8.source.quantize_on", None)
    status, _, errors = diracnet("quantize", "diracnet10_cifar:cifar10", "--calibration", data)
    told = "diracnet10_cifar:cifar10 is not in checkpoints/ of a clone; name a file with --out"
    assert status == 2 and told in " ".join(errors.split())


def test_the_int8_graph_says_what_it_was_calibrated_on(source: Checkpoint, tmp_path: Path) -> None:
    import onnx

    export_bundle(source, tmp_path / "b", formats=["int8"], quantization=quantize_on_noise(source))
    for path in (GRAPHS["int8"].path, GRAPHS["int8"].pictures):
        (entry,) = onnx.load(tmp_path / "b" / path).metadata_props
        assert json.loads(entry.value)["calibration"]["source"].startswith("noise")
    (entry,) = onnx.load(tmp_path / "b" / GRAPHS["fp32"].path).metadata_props
    assert "calibration" not in json.loads(entry.value)


NOISE = """
import sys
from export.int8.source import quantize_on_noise
from zoo.reference import open_model
quantize_on_noise(open_model("diracnet10_v1_cifar")[0]).save(sys.argv[1])
"""


@pytest.mark.slow
def test_the_record_of_an_untrained_net_has_the_same_bytes_with_other_instructions(root: Path, tmp_path: Path) -> None:
    quantize_on_noise(open_model("diracnet10_v1_cifar")[0]).save(tmp_path / "here")
    settings = {
        "OMP_NUM_THREADS": "3",
        "ATEN_CPU_CAPABILITY": "default",
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": str(root),
    }
    command = [sys.executable, "-c", NOISE, str(tmp_path / "there")]
    subprocess.run(command, env={**os.environ, **settings}, capture_output=True, check=True)
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_untrained_nets_are_calibrated_on_other_pictures_than_the_golden_ones() -> None:
    golden_pictures = mosaics(CIFAR.size, 3, GOLDEN_CELLS)
    for noise in mosaics(CIFAR.size, 3, NOISE_CELLS):
        assert not any(np.array_equal(noise, picture) for picture in golden_pictures)


def test_the_record_of_a_net_comes_from_the_mirror_too(tmp_path: Path) -> None:
    shipped = zoo.get_weight("diracnet10_cifar", "cifar10")
    assert shipped.folder is not None
    mirror = shutil.copytree(shipped.folder, tmp_path / "mirror")
    installed = replace(shipped, folder=tmp_path / "wheel")
    folded = FoldedNet.of(zoo.load_weight(shipped, "dirac"))
    with pytest.raises(FileNotFoundError):
        known_quantization(folded, installed)
    found = known_quantization(folded, installed, mirror=Path(mirror))
    assert found.activations == known_quantization(folded, shipped).activations
