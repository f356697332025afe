"""Data sets that torchvision downloads or unpacks: by one process at a time, and whole or not at all."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import Tensor

from zoo.labels import difference, imagenet_classes
from zoo.training.folders import IMAGENET_ARCHIVE, imagenet_folder, imagenet_layout, labelled_pictures
from zoo.training.lock import locked_in_turn
from zoo.training.reading import Samples

# torchvision takes as long to import as PyTorch, and few commands need it: it is imported where it is used.

_LOCK = ".diracnet.lock"
_LACKING = (RuntimeError, ValueError, AssertionError, EOFError, OSError)
"""What torchvision raises where files are missing, cut short or something else."""


def cifar10(folder: Path, half: str) -> Samples:
    """Return a half of CIFAR-10, which is downloaded into the folder if it is not there."""
    from torchvision.datasets import CIFAR10

    return _fetched(CIFAR10, folder, half, f"{CIFAR10.filename} from {CIFAR10.url}")


def cifar100(folder: Path, half: str) -> Samples:
    """Return a half of CIFAR-100, which is downloaded into the folder if it is not there."""
    from torchvision.datasets import CIFAR100

    return _fetched(CIFAR100, folder, half, f"{CIFAR100.filename} from {CIFAR100.url}")


def fashion(folder: Path, half: str) -> Samples:
    """Return a half of Fashion-MNIST: from its packed files, where they lie in the folder itself (as on Debian)."""
    from torchvision.datasets import FashionMNIST
    from torchvision.datasets.mnist import read_image_file, read_label_file

    if not any(folder.glob("*-ubyte.gz")):
        return _fetched(FashionMNIST, folder, half, f"its four files from {FashionMNIST.mirrors[0]}")
    name = "train" if half == "train" else "t10k"
    images = _packed(folder / f"{name}-images-idx3-ubyte.gz", read_image_file)
    targets = _packed(folder / f"{name}-labels-idx1-ubyte.gz", read_label_file)
    if len(images) != len(targets):
        raise ValueError(f"{folder} has {len(images):,} {name} pictures and {len(targets):,} labels; fetch both again")
    return list(images.numpy()), targets.tolist(), tuple(FashionMNIST.classes)


def imagenet(folder: Path, half: str) -> Samples:
    """Return a half of ImageNet-1k: from its folders, which are made of the archives if they are not there.

    Raises:
        FileNotFoundError: neither the folder of the half is there nor its archive.
        ValueError: the folders are not those of the 1,000 classes, or were unpacked in part.
        RuntimeError: an archive is damaged.
    """
    pictures = imagenet_folder(folder, half)
    if not pictures.is_dir():
        with locked_in_turn(folder / _LOCK):
            if not pictures.is_dir():
                _unpack(folder, pictures.name)
    if beside := [*pictures.glob("n*.tar"), *pictures.glob("ILSVRC2012_*")]:
        archive = folder / IMAGENET_ARCHIVE.format(pictures.name)
        again = f"remove {pictures}, and it is made again of {archive.name}"
        remedy = again if archive.is_file() else imagenet_layout(pictures.name)
        raise ValueError(f"{min(beside).name} lies beside the folders of the classes in {pictures}: {remedy}")
    paths, targets, found = labelled_pictures(pictures)
    classes = imagenet_classes()
    if found != tuple(classes):
        differing = difference(found, tuple(classes), str(pictures), "ImageNet-1k")
        raise ValueError(f"the folders in {pictures} are not those of ImageNet's 1,000 classes: {differing}")
    return paths, targets, tuple(classes.values())


def _fetched(kind: Any, folder: Path, half: str, files: str) -> Samples:
    make = partial(kind, str(folder), half == "train")
    try:
        pictures = make()
    except _LACKING:
        folder.mkdir(parents=True, exist_ok=True)
        with locked_in_turn(folder / _LOCK):
            try:
                pictures = make(download=True)  # which first looks whether another process has fetched it meanwhile
            except _LACKING as error:
                raise OSError(
                    f"{kind.__name__} can neither be read from {folder} nor be downloaded into it: {error}; remove "
                    f"what is damaged there, and put {files} into it"
                ) from error
    return list(np.asarray(pictures.data)), list(map(int, pictures.targets)), tuple(pictures.classes)


def _packed(path: Path, read: Callable[[str], Tensor]) -> Tensor:
    """Read a packed file in the format of MNIST; torchvision reads the unpacked one."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}; put it beside the others")
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged ({error}); fetch it again") from error
    with TemporaryDirectory() as temporary:
        unpacked = Path(temporary, path.stem)
        unpacked.write_bytes(content)
        try:
            return read(str(unpacked))
        except _LACKING as error:
            raise ValueError(f"{path} is damaged ({error or type(error).__name__}); fetch it again") from error


def _unpack(folder: Path, name: str) -> None:
    """Unpack ImageNet's archive of a half, and give it its name at the end."""
    from torchvision.datasets import imagenet as archives

    part = folder / f".{name}.unpacking"
    shutil.rmtree(part, ignore_errors=True)
    if name == "train":
        archives.parse_train_archive(str(folder), folder=part.name)
    else:
        try:
            archives.load_meta_file(str(folder))
        except RuntimeError:
            archives.parse_devkit_archive(str(folder))
        archives.parse_val_archive(str(folder), folder=part.name)
    part.rename(folder / name)
