"""Folders of labelled pictures: which pictures and classes are meant, and what is said of the others."""

import dataclasses
import errno
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from zoo.files import read_json
from zoo.labels import imagenet_classes
from zoo.preprocessing import IMAGENET
from zoo.training.folders import labelled_pictures
from zoo.training.loop import train
from zoo.training.reading import read_samples
from zoo.training.recipes import RECIPES
from zoo.training.sources import load_dataset, load_sample, load_test

SMALL = dataclasses.replace(RECIPES["digits"], batch_size=4, model="diracnet10_cifar", epochs=1)
STREAMED = dataclasses.replace(SMALL, crop="resized")
SKIPPED = {"train": ["train/a/1.png", "train/b/0.png"], "test": ["test/b/1.png"]}
"""What `damage` damages."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six pictures in two classes to train on, four to test."""
    generator = np.random.default_rng(0)
    for half, count in (("train", 3), ("test", 2)):
        for name in "ab":
            (tmp_path / "d" / half / name).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (34, 36, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "d" / half / name / f"{index}.png")
    return tmp_path / "d"


def test_a_clean_folder_is_read_in_torchvisions_order(tmp_path: Path) -> None:
    """So that the fingerprints of data that runs were recorded with stay what they were."""
    names = [
        "B/x.png",
        "a/10.png",
        "a/9.jpg",
        "a/9/z.png",
        "a/9-/z.png",
        "a/b/c/d.webp",
        "a-b/0.PNG",
        "é/0.bmp",
        "b/0.ppm",
    ]
    names = np.random.default_rng(0).permutation(names).tolist()
    for name in names:
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_bytes(b"")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/0.png").write_bytes(b"")
    (tmp_path / "d" / "link").symlink_to(tmp_path / "elsewhere")
    theirs = torchvision.datasets.ImageFolder(str(tmp_path / "d"))
    paths, targets, classes = labelled_pictures(tmp_path / "d")
    assert [(str(path), target) for path, target in zip(paths, targets, strict=True)] == theirs.samples
    assert list(classes) == theirs.classes and len(paths) == len(names) + 1


def copy(source: str, target: str) -> Callable[[Path], None]:
    def disturb(folder: Path) -> None:
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / source, folder / target)

    return disturb


def write(target: str, content: bytes = b"x") -> Callable[[Path], None]:
    def disturb(folder: Path) -> None:
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).write_bytes(content)

    return disturb


DISTURBANCES = {
    "a class by Jupyter": (copy("train/a/0.png", "train/.ipynb_checkpoints/0-checkpoint.png"), "1 hidden"),
    "a copy by Jupyter": (copy("train/a/0.png", "train/a/.ipynb_checkpoints/0-checkpoint.png"), "1 hidden"),
    "empty, by Jupyter": (lambda folder: (folder / "train/.ipynb_checkpoints").mkdir(), "1 hidden"),
    "AppleDouble": (write("train/a/._0.png"), "1 hidden"),
    "an archive of macOS": (copy("train/a/0.png", "train/__MACOSX/0.png"), "1 hidden"),
    "Finder": (write("train/.DS_Store"), "1 hidden"),
    "Explorer": (write("train/a/Thumbs.db"), "1 .db"),
    "a list of files": (write("train/labels.csv"), "1 beside the folders of the classes"),
    "a picture without a class": (copy("train/a/0.png", "train/0.png"), "1 beside the folders of the classes"),
    "an empty class": (lambda folder: (folder / "train/c").mkdir(), "1 class folder without pictures (c)"),
    "a class of notes": (write("train/c/x.txt"), "class folder without pictures (c)"),
    "another format": (write("train/a/0.svg"), "1 .svg"),
}


@pytest.mark.parametrize("name", DISTURBANCES)
@pytest.mark.parametrize("half", ["train", "test"])
def test_other_files_are_ignored_with_a_warning(
    name: str, half: str, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = load_dataset(str(data))
    assert not caplog.records
    disturb, said = DISTURBANCES[name]
    disturb(data)
    if half == "test":
        shutil.rmtree(data / "test")
        shutil.copytree(data / "train", data / "test")
        shutil.rmtree(data / "train")
        before = dataclasses.replace(before, test=before.train)
        assert load_test(str(data), before.preprocessing).sha256() == before.test.sha256()
    else:
        after = load_dataset(str(data))
        assert after.train.classes == ("a", "b") and after.train.sha256() == before.train.sha256()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and record.getMessage().startswith(f"{data / half}: passed over: ")
    assert said in record.getMessage()


@pytest.mark.parametrize("suffix", ["gif", "jfif", "jp2", "webp", "tiff"])
def test_training_reads_what_predicting_reads(suffix: str, data: Path) -> None:
    Image.open(data / "train/a/0.png").save(data / f"train/a/x.{suffix}")
    assert len(load_dataset(str(data)).train) == 7


def damage(data: Path) -> list[Path]:
    """Damage two training pictures and one test picture."""
    (data / "train/a/1.png").write_bytes((data / "train/a/1.png").read_bytes()[:300])
    (data / "train/b/0.png").write_bytes(b"")
    (data / "test/b/1.png").write_bytes(b"no picture")
    return [data / name for name in ("train/a/1.png", "train/b/0.png", "test/b/1.png")]


def test_all_damaged_pictures_are_named_at_once(data: Path) -> None:
    first, second, third = damage(data)
    with pytest.raises(ValueError, match=r"^2 pictures cannot be read; .*--skip-damaged") as raised:
        load_dataset(str(data))
    lines = str(raised.value).splitlines()[1:]
    assert [line.split(" is not a readable picture")[0].strip() for line in lines] == [str(first), str(second)]
    with pytest.raises(ValueError, match=r"^1 picture cannot be read") as raised:
        load_test(str(data), IMAGENET)
    assert str(third) in str(raised.value)
    with pytest.raises(ValueError, match="2 pictures cannot be read"):
        load_sample(str(data), IMAGENET, 100, seed=0)
    with pytest.raises(ValueError, match="2 pictures cannot be read"):
        read_samples(([first, data / "train/a/0.png", second], [0] * 3, ("",)), IMAGENET)


@pytest.mark.parametrize("stream", [False, True])
def test_damaged_pictures_are_left_out_and_recorded(
    stream: bool, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = damage(data)
    found = load_dataset(str(data), 32, stream=stream, workers=0, skip_damaged=True)
    assert (len(found.train), len(found.test), found.skipped) == (4, 3, SKIPPED)
    assert found.train.targets.tolist() == [0, 0, 1, 1]
    told = "".join(record.getMessage() for record in caplog.records)
    assert all(str(path) in told for path in damaged)
    for path in damaged:
        path.unlink()
    clean = load_dataset(str(data), 32, stream=stream, workers=0)
    assert clean.train.sha256() == found.train.sha256() and clean.test.sha256() == found.test.sha256()
    assert clean.skipped == {}
    if not stream:
        train(SMALL, found, tmp_path / "run")
        assert read_json(tmp_path / "run" / "run.json")["skipped"] == SKIPPED
        train(SMALL, clean, tmp_path / "clean")
        assert "skipped" not in json.loads((tmp_path / "clean" / "run.json").read_text())


def test_a_class_without_readable_pictures_is_refused(data: Path) -> None:
    for path in (data / "train/b").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=f"no picture of the class 'b' can be read among the train pictures of {data}"):
        load_dataset(str(data), skip_damaged=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_streamed_picture_is_named_in_a_line(workers: int, data: Path, tmp_path: Path) -> None:
    *_, tested = damage(data)
    shutil.copy(data / "test/b/0.png", tested)
    found = load_dataset(str(data), 32, stream=True, workers=workers)
    with pytest.raises(ValueError, match=r"^[12] pictures? cannot be read; .*--skip-damaged") as raised:
        train(STREAMED, found, tmp_path / "run")
    assert "Traceback" not in str(raised.value) and str(data / "train") in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 3


def test_a_damaged_test_picture_is_named_before_anything_is_trained(data: Path, tmp_path: Path) -> None:
    for path in damage(data)[:2]:
        path.unlink()
    found = load_dataset(str(data), 32, stream=True, workers=0)
    with pytest.raises(ValueError, match=rf"^1 picture cannot be read; .*\n +{data}/test/b/1.png is not a readable"):
        train(STREAMED, found, tmp_path / "run", on_step=lambda progress: pytest.fail("it was trained"))
    shutil.copy(data / "test/b/0.png", data / "test/b/1.png")
    train(STREAMED, load_dataset(str(data), 32, stream=True, workers=0), tmp_path / "run")


@pytest.mark.parametrize("stream", [False, True])
def test_a_picture_without_a_known_scale_is_named_and_left_out(stream: bool, data: Path, tmp_path: Path) -> None:
    path = data / "train/a/scan.tiff"
    Image.fromarray(np.full((34, 36), -0.4, np.float32)).save(path)
    told = rf"cannot be read; .*\n +{path} is not a readable picture: its floats reach from -0\.4 to -0\.4"
    with pytest.raises(ValueError, match=told):
        train(dataclasses.replace(STREAMED, batch_size=7), load_dataset(str(data), 32, stream=stream), tmp_path / "run")
    found = load_dataset(str(data), 32, stream=stream, skip_damaged=True)
    assert found.skipped == {"train": ["train/a/scan.tiff"]} and len(found.train) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are any bytes")
@pytest.mark.parametrize("stream", [False, True])
def test_names_that_are_no_utf_8(stream: bool, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest-xdist cannot pass on a warning that has such a name.
    monkeypatch.setattr(logging.getLogger("zoo.training.reading"), "disabled", True)
    old = os.fsencode(data / "train" / "a") + b"/caf\xe9.png"
    shutil.copy(data / "train/a/0.png", old)
    found = load_dataset(str(data), 32, stream=stream, workers=0)
    assert len(found.train) == 7
    recipe = STREAMED if stream else SMALL
    train(recipe, found, tmp_path / "whole")
    Path(os.fsdecode(old)).write_bytes(b"")
    found = load_dataset(str(data), 32, stream=stream, workers=0, skip_damaged=True)
    assert found.skipped == {"train": [r"train/a/caf\xe9.png"]}
    train(recipe, found, tmp_path / "skipped")
    assert read_json(tmp_path / "skipped" / "run.json")["skipped"] == found.skipped


def test_pictures_that_do_not_fit_into_memory_go_to_a_file_or_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_test(str(data), IMAGENET)
    monkeypatch.setattr(os, "sysconf", lambda name: 100, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    too_large = r"take 0\.0 GB, which is too much for the 0\.0 GB of memory here, and "
    with monkeypatch.context() as patched, pytest.raises(ValueError, match=too_large + "this system cannot"):
        patched.delattr(os, "posix_fallocate", raising=False)
        load_test(str(data), IMAGENET)
    if not hasattr(os, "posix_fallocate"):
        return
    found = load_test(str(data), IMAGENET)
    assert torch.equal(found.images, expected.images) and not list(tmp_path.glob("diracnet-pictures-*"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ValueError, match=too_large + r".* has no room \(No space left on device\); let TMPDIR name"):
        load_test(str(data), IMAGENET)
    assert not list(tmp_path.glob("diracnet-pictures-*"))


def test_what_the_halves_lack_is_told_without_what_they_share(data: Path) -> None:
    for index in range(50):
        for half in ("train", "test"):
            shutil.copytree(data / "test/a", data / half / f"shared{index}")
    shutil.copytree(data / "test/a", data / "train/z1")
    shutil.copytree(data / "test/a", data / "test/z2")
    told = r"differ: only train has 'z1', only test has 'z2'; a class of the test pictures needs training .* same name$"
    with pytest.raises(ValueError, match=f"the halves {told}"):
        load_dataset(str(data))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("empty", [False, True])
def test_the_test_pictures_may_lack_a_class(
    stream: bool, empty: bool, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The class after it keeps its own number."""
    whole = load_dataset(str(data), 32, stream=stream)
    missing, *rest = whole.train.classes
    expected = torch.cat([targets for _, targets in whole.test.in_order(7)])
    for file in (data / "test" / missing).iterdir():
        file.unlink()
    if not empty:
        (data / "test" / missing).rmdir()
    found = load_dataset(str(data), 32, stream=stream)
    assert found.test.classes == found.train.classes == whole.train.classes
    shown = torch.cat([targets for _, targets in found.test.in_order(7)])
    assert shown.tolist() == expected[expected != 0].tolist() and rest
    assert f"no test pictures: only train has '{missing}'" in caplog.text
    assert train(STREAMED if stream else SMALL, found, tmp_path / "run")["pictures"] == len(shown)


def test_one_class_is_nothing_to_tell_apart(data: Path) -> None:
    for half in ("train", "test"):
        shutil.rmtree(data / half / "b")
    with pytest.raises(ValueError, match="has one class only, 'a'"):
        load_dataset(str(data))


def test_a_half_by_another_name_is_told(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(data / "test", data / "val")
    load_dataset(str(data))
    assert "has val, too: the test pictures are those of test" in caplog.text
    caplog.clear()
    shutil.rmtree(data / "test")
    load_dataset(str(data))
    assert "has no folder test: val takes its place" in caplog.text
    (data / "val").rename(data / "valid")
    with pytest.raises(ValueError, match=r"has no folder test or val \(it has train, valid\); a data set is"):
        load_dataset(str(data))
    with pytest.raises(FileNotFoundError, match="is a file, not a folder; a data set is"):
        load_dataset(str(data / "train/a/0.png"))
    shutil.rmtree(data / "train")
    (data / "train").mkdir()
    with pytest.raises(ValueError, match="has no pictures in folders named after their classes"):
        load_dataset(str(data))


def test_imagenet_has_the_registrys_labels(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "imagenet"
    for index, name in enumerate(imagenet_classes()):
        (root / "val" / name).mkdir(parents=True)
        shutil.copyfile(data / "test/a/0.png", root / "val" / name / f"ILSVRC2012_val_{index:08}.png")
    small = dataclasses.replace(IMAGENET, resize=8, size=8)
    found = load_test(f"imagenet:{root}", small)
    assert found.classes == tuple(imagenet_classes().values()) and found.targets.tolist() == list(range(1000))
    (root / "val" / "n02012849").rename(root / "val" / "n99999999")
    with pytest.raises(ValueError, match=r"are not those of ImageNet's 1,000 classes: only .* has 'n99999999', only"):
        load_test(f"imagenet:{root}", small)
    with pytest.raises(FileNotFoundError, match=r"there is no folder nowhere; ImageNet is looked for in nowhere/val: "):
        load_test("imagenet:nowhere", small)
