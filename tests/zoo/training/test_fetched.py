"""Data sets that torchvision downloads or unpacks: read once, whole or not at all, and explained where they fail."""

import gzip
import hashlib
import io
import pickle
import re
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision.datasets import imagenet as archives

from zoo.labels import imagenet_classes
from zoo.preprocessing import FASHION
from zoo.training.lock import locked, locked_in_turn
from zoo.training.places import check_dataset
from zoo.training.sources import load_dataset, load_test

RANDOM = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def small_fashion(folder: Path) -> dict[str, np.ndarray]:
    """Write small files in Fashion-MNIST's format, and return the pictures of each half."""
    pictures = {}
    for half, count in (("train", 30), ("t10k", 20)):
        pictures[half] = RANDOM.integers(0, 256, (count, 28, 28), np.uint8)
        (folder / f"{half}-images-idx3-ubyte.gz").write_bytes(idx(pictures[half]))
        (folder / f"{half}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(count, dtype=np.uint8) % 10))
    return pictures


def test_fashion_mnist_is_read_packed_and_padded(tmp_path: Path) -> None:
    pictures = small_fashion(tmp_path)
    data = load_dataset(f"fashion-mnist:{tmp_path}")
    assert data.preprocessing == FASHION and data.train.classes[9] == "Ankle boot"
    assert data.train.images.shape == (30, 32, 32, 1) and len(data.test) == 20
    inside = data.train.images[:, 2:-2, 2:-2, 0].numpy()
    assert (inside == pictures["train"]).all() and data.train.images.sum() == inside.sum()
    assert data.train.targets.tolist() == [index % 10 for index in range(30)]
    enlarged = load_dataset(f"fashion-mnist:{tmp_path}", 64).preprocessing
    assert (enlarged.resize, enlarged.size) == (56, 64)


def small_cifar(classes: int, root: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write small files in CIFAR's format, tell torchvision their checksums, and return the pictures, (4, 3072)."""
    kind = torchvision.datasets.CIFAR10 if classes == 10 else torchvision.datasets.CIFAR100
    folder, pixels = root / kind.base_folder, RANDOM.integers(0, 256, (4, 3072), np.uint8)
    folder.mkdir(parents=True)

    def write(name: str, value: dict) -> str:
        (folder / name).write_bytes(pickle.dumps(value))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()  # noqa: S324 (torchvision's choice)

    key, names = ("labels", "label_names") if classes == 10 else ("fine_labels", "fine_label_names")
    batch = {"data": pixels, key: [3, 1, 4, 1]}
    for which in ("train_list", "test_list"):
        names_here = [name for name, _ in getattr(kind, which)][:1]
        monkeypatch.setattr(kind, which, [[name, write(name, batch)] for name in names_here])
    meta = {**kind.meta, "md5": write(kind.meta["filename"], {names: [f"class{i}" for i in range(classes)]})}
    monkeypatch.setattr(kind, "meta", meta)
    return pixels


@pytest.mark.parametrize("classes", [10, 100])
def test_cifar_is_read_from_its_own_files(classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = small_cifar(classes, tmp_path, monkeypatch)
    data = load_dataset(f"cifar{classes}:{tmp_path}")
    assert data.train.targets.tolist() == [3, 1, 4, 1] and data.train.classes[7] == "class7"
    assert (data.train.images.permute(0, 3, 1, 2).flatten(1).numpy() == pixels).all()


def test_the_encoded_cifar_is_made_as_its_page_says(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = small_cifar(10, tmp_path / "cifar10", monkeypatch)
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(r"```python\n(.*?)```", (root / "checkpoints" / "README.md").read_text("utf-8"), re.S)
    exec(snippet, {})  # noqa: S102 (our own page)
    data = load_dataset("cifar10-jpeg75:cifar10-jpeg")
    assert data.train.classes == ("class1", "class3", "class4") and data.train.targets.tolist() == [0, 0, 1, 2]
    original = pixels.reshape(4, 3, 32, 32)[[1, 3, 0, 2]].transpose(0, 2, 3, 1)
    # The pictures are noise, of which JPEG loses much; but each is still most like itself.
    grey = [images.astype(float).mean(axis=3).reshape(4, -1) for images in (original, data.train.images.numpy())]
    assert np.corrcoef(*grey)[:4, 4:].argmax(axis=1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda whole: whole[:-20], "ended before the end-of-stream"),
        (lambda whole: whole[:40] + b"?" * 40 + whole[80:], "is damaged"),
        (lambda whole: b"<html>" + whole, "Not a gzipped file"),
        (lambda whole: gzip.compress(gzip.decompress(whole)[:-100]), "is damaged"),
        (lambda whole: gzip.compress(b"\1\2" + gzip.decompress(whole)[2:]), "is damaged"),
        (lambda whole: None, "put it beside the others"),
    ],
)
def test_a_damaged_packed_file_is_named(content, said: str, tmp_path: Path) -> None:
    small_fashion(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    changed = content(file.read_bytes())
    file.unlink() if changed is None else file.write_bytes(changed)
    with pytest.raises((ValueError, FileNotFoundError), match=said) as raised:
        load_dataset(f"fashion-mnist:{tmp_path}")
    assert str(file) in str(raised.value) and len(str(raised.value).splitlines()) == 1
    assert len(load_test(f"fashion-mnist:{tmp_path}", FASHION)) == 20, "the other half needs no more than its own files"


def test_pictures_and_labels_of_different_counts_are_refused(tmp_path: Path) -> None:
    small_fashion(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(19, np.uint8)))
    with pytest.raises(ValueError, match="has 20 t10k pictures and 19 labels; fetch both again"):
        load_test(f"fashion-mnist:{tmp_path}", FASHION)


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100", "FashionMNIST"])
def test_what_cannot_be_downloaded_is_explained(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, nowhere = getattr(torchvision.datasets, name), "http://127.0.0.1:9/"
    monkeypatch.setattr(kind, *(("mirrors", [nowhere]) if name == "FashionMNIST" else ("url", f"{nowhere}a.tar.gz")))
    key = {"CIFAR10": "cifar10", "CIFAR100": "cifar100", "FashionMNIST": "fashion-mnist"}[name]
    folder = tmp_path / "new"
    said = f"{name} can neither be read from {folder} nor be downloaded into it: .*; remove .*, and put .* {nowhere}"
    with pytest.raises(OSError, match=re.compile(said, re.DOTALL)):
        load_dataset(f"{key}:{folder}")


def test_a_file_of_torchvisions_that_was_cut_short_is_explained(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    small_fashion(raw)
    for path in list(raw.iterdir()):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(load_dataset(f"fashion-mnist:{tmp_path}").train) == 30
    images = raw / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-9])
    with pytest.raises(OSError, match=r"can neither be read .* remove what is damaged there"):
        load_dataset(f"fashion-mnist:{tmp_path}")


def test_another_process_may_have_fetched_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the lock and writes, this one waits, and then finds what it wanted."""
    fetched: list[int] = []

    def fetch() -> None:
        with locked_in_turn(tmp_path / ".diracnet.lock"):
            held.set()
            time.sleep(0.5)
            small_cifar(10, tmp_path, monkeypatch)
            fetched.append(1)

    held = threading.Event()
    other = threading.Thread(target=fetch)
    other.start()
    held.wait(10)
    assert len(load_dataset(f"cifar10:{tmp_path}").train) == 4 and fetched == [1]
    other.join()


def test_a_lock_is_waited_for(tmp_path: Path, root: Path) -> None:
    program = (
        "import runpy, sys, time; from pathlib import Path\n"
        "with runpy.run_path(sys.argv[1])['locked_in_turn'](Path(sys.argv[2])):\n"
        "    print('held', flush=True); sys.stdin.readline(); time.sleep(0.2)"
    )
    command = [sys.executable, "-c", program, str(root / "zoo/training/lock.py"), str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(RuntimeError, match="locked by another process"), locked(tmp_path / "lock"):
            pass
        other.stdin.write("\n")
        other.stdin.flush()
        with locked_in_turn(tmp_path / "lock"):  # which the other would hold for ever, if this did not wait
            assert other.wait(60) == 0


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ImageNet's archives with a picture of each class to train on, and two to test."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")

    picture = buffer.getvalue()

    def archive(members: dict[str, bytes]) -> bytes:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return file.getvalue()

    wnids = list(imagenet_classes())
    train = {f"{wnid}.tar": archive({f"{wnid}_1.JPEG": picture}) for wnid in wnids}
    val = {f"ILSVRC2012_val_{index:08}.JPEG": picture for index in range(2 * len(wnids))}
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(archive(train))
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(archive(val))
    torch.save(({wnid: (wnid,) for wnid in wnids}, wnids * 2), tmp_path / "meta.bin")
    for half in ("train", "val"):
        name = archives.ARCHIVE_META[half][0]
        digest = hashlib.md5((tmp_path / name).read_bytes()).hexdigest()  # noqa: S324 (torchvision's choice)
        monkeypatch.setitem(archives.ARCHIVE_META, half, (name, digest))
    return tmp_path


def test_imagenets_archives_are_unpacked_whole_or_not_at_all(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        (packed / ".val.unpacking").mkdir()
        (packed / ".val.unpacking" / "ILSVRC2012_val_00000000.JPEG").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(archives, "parse_val_archive", stop)
        load_test(f"imagenet:{packed}", FASHION)
    assert not (packed / "val").exists()
    data = load_dataset(f"imagenet:{packed}", 8)
    assert (len(data.train), len(data.test)) == (1000, 2000)
    assert data.test.targets.bincount().tolist() == [2] * 1000
    assert {path.name for path in packed.iterdir() if path.is_dir()} == {"train", "val"}


def test_what_an_older_unpacking_left_half_done_is_told(packed: Path) -> None:
    load_test(f"imagenet:{packed}", FASHION)
    (packed / "val" / "ILSVRC2012_val_00002000.JPEG").touch()
    flat = rf"ILSVRC2012_val_00002000.JPEG lies beside the folders of the classes in {re.escape(str(packed))}/val: "
    with pytest.raises(ValueError, match=rf"{flat}remove \S+/val, and it is made again of ILSVRC2012_img_val.tar"):
        load_test(f"imagenet:{packed}", FASHION)
    (packed / "ILSVRC2012_img_val.tar").unlink()
    with pytest.raises(ValueError, match=flat + r"each picture belongs in .* val/WNID/PICTURE"):  # their only copy
        load_test(f"imagenet:{packed}", FASHION)


@pytest.mark.parametrize("check", [check_dataset, load_dataset])
def test_a_folder_without_imagenet_is_told_how_it_has_to_look(check: Callable[[str], object], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is looked for in .*train: .* made of ILSVRC2012_img_train\.tar"):
        check(f"imagenet:{tmp_path}")
    with pytest.raises(FileNotFoundError, match=r"there is no folder \S+absent; ImageNet"):
        check(f"imagenet:{tmp_path / 'absent'}")
    assert not list(tmp_path.iterdir())
