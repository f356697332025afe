"""Where labelled pictures come from: folders of pictures, well-known data sets, scikit-learn's digits."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor

from pixels import open_picture
from zoo.preprocessing import CIFAR, FASHION, IMAGENET, Preprocessing
from zoo.training.data import Dataset, Pictures, split_classes
from zoo.training.streaming import PictureFiles

DIGITS_NAME = "digits"
DIGITS = Preprocessing(resize=16, size=16, interpolation="bilinear", mean=(0.305,), std=(0.375,))
"""For scikit-learn's digits, rescaled to 0…255."""

HALVES = {"train": ("train",), "test": ("test", "val")}
"""The folders that each half of a data set may lie in."""

Samples = tuple[Sequence[Any], Sequence[int], tuple[str, ...]]
"""Pictures (PIL's, arrays or paths), their targets, and the label of each class."""


@dataclass(frozen=True)
class Source:
    """A known data set.

    Args:
        read: maps its folder and "train" or "test" to samples.
        preprocessing: by which its pictures become a net's input, if nothing else is asked for.
    """

    read: Callable[[Path, str], Samples]
    preprocessing: Preprocessing


def _folders(folder: Path, half: str) -> Samples:
    pictures = torchvision.datasets.ImageFolder(str(_half(folder, half)))
    return [Path(path) for path, _ in pictures.samples], pictures.targets, tuple(pictures.classes)


def _half(folder: Path, half: str) -> Path:
    found = [folder / name for name in HALVES[half] if (folder / name).is_dir()]
    if not found:
        raise ValueError(
            f"{folder} has no folder {' or '.join(HALVES[half])}: a data set is a folder with train/CLASS/PICTURE and "
            f"test/CLASS/PICTURE, or one of {', '.join(f'{name}:FOLDER' for name in SOURCES)}, or the word "
            f"'{DIGITS_NAME}'"
        )
    return found[0]


def _imagenet(folder: Path, half: str) -> Samples:
    pictures = torchvision.datasets.ImageNet(str(folder), "train" if half == "train" else "val")
    return [Path(path) for path, _ in pictures.samples], pictures.targets, tuple(names[0] for names in pictures.classes)


def _cifar10(folder: Path, half: str) -> Samples:
    return _samples(torchvision.datasets.CIFAR10(str(folder), half == "train", download=True))


def _cifar100(folder: Path, half: str) -> Samples:
    return _samples(torchvision.datasets.CIFAR100(str(folder), half == "train", download=True))


def _fashion(folder: Path, half: str) -> Samples:
    with _unpacked(folder) as root:
        return _samples(torchvision.datasets.FashionMNIST(str(root), half == "train", download=root == folder))


def _samples(pictures: Any) -> Samples:
    return list(np.asarray(pictures.data)), list(map(int, pictures.targets)), tuple(pictures.classes)


@contextmanager
def _unpacked(folder: Path) -> Iterator[Path]:
    """Give a folder laid out as torchvision expects, where the packed files lie in `folder` itself, as Debian ships."""
    packed = sorted(folder.glob("*-ubyte.gz"))
    if not packed:
        yield folder
        return
    with TemporaryDirectory() as temporary:
        raw = Path(temporary, "FashionMNIST", "raw")
        raw.mkdir(parents=True)
        for path in packed:
            (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        yield Path(temporary)


def _digits(_: Path, half: str) -> Samples:
    """Four fifths of scikit-learn's digits to train on, one fifth of each class to test."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    enlarged = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    targets = torch.from_numpy(bunch.target).long()
    chosen = split_classes(targets, 0.2, seed=0)[half == "test"].numpy()
    return list(enlarged[chosen]), bunch.target[chosen].tolist(), tuple(str(digit) for digit in range(10))


SOURCES = {
    "cifar10": Source(_cifar10, CIFAR),
    "cifar100": Source(_cifar100, CIFAR),
    "fashion-mnist": Source(_fashion, FASHION),
    "imagenet": Source(_imagenet, IMAGENET),
}
"""Data sets that are named with their folder, NAME:FOLDER; torchvision reads them, and downloads all but ImageNet."""


def load_dataset(data: str, size: int | None = None, *, stream: bool = False, workers: int = 2) -> Dataset:
    """Open a data set.

    Args:
        data: a folder that holds `train/CLASS/*` and `test/CLASS/*` (or `val`), of pictures that become RGB; or
            `NAME:FOLDER` with a name of `SOURCES`; or the word "digits" (scikit-learn's, needs the `train` extra).
        size: height and width in pixels that pictures are resized to; by default that of the source.
        stream: whether training pictures are read from their files in each epoch, for random crops of any part, rather
            than held in memory at the net's size.
        workers: processes that read streamed pictures; 0 for none beside this one.

    Raises:
        ValueError: no such data, or its two halves have different classes, or its pictures are no files to stream.
        OSError: the data could not be read or downloaded.
    """
    source, _ = _find(data)
    preprocessing = IMAGENET if stream else source.preprocessing
    if size is not None:
        border = preprocessing.size / preprocessing.resize
        preprocessing = replace(preprocessing, resize=round(size / border), size=size)
    halves: list[Pictures | PictureFiles] = []
    for half in HALVES:
        pictures, targets, classes = _read(data, half)
        if stream:
            if not isinstance(pictures[0], Path):
                raise ValueError(f"{data} has no picture files to stream; crop=resized needs a folder of them")
            halves.append(PictureFiles(tuple(pictures), torch.tensor(targets), classes, preprocessing, workers))
        else:
            halves.append(_in_memory(pictures, targets, classes, preprocessing))
    train, test = halves
    if train.classes != test.classes:
        raise ValueError(f"{data}: the classes of train ({train.classes}) and test ({test.classes}) differ")
    return Dataset(train, test, preprocessing)


def load_test(data: str, preprocessing: Preprocessing) -> Pictures:
    """Read the test pictures of a data set into memory, cropped as a net wants them; see `load_dataset`."""
    return _in_memory(*_read(data, "test"), preprocessing)


def load_sample(data: str, preprocessing: Preprocessing, count: int, seed: int) -> Tensor:
    """Read a few training pictures of a data set, cropped as a net wants them; see `load_dataset`.

    Returns:
        uint8, (count, size, size, channels), or fewer where there are not as many; which, and in what order, is drawn
        by the seed.
    """
    pictures, targets, classes = _read(data, "train")
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))[:count].tolist()
    chosen = [pictures[place] for place in order], [targets[place] for place in order]
    return _in_memory(*chosen, classes, preprocessing).images


def check_dataset(data: str) -> None:
    """Raise ValueError unless `data` is what `load_dataset` takes."""
    source, folder = _find(data)
    if source.read is _folders:
        for half in HALVES:
            _half(folder, half)


def _find(data: str) -> tuple[Source, Path]:
    name, colon, folder = data.partition(":")
    if data == DIGITS_NAME:
        return Source(_digits, DIGITS), Path()
    if colon and name in SOURCES:
        return SOURCES[name], Path(folder)
    return Source(_folders, CIFAR), Path(data)


def _read(data: str, half: str) -> Samples:
    source, folder = _find(data)
    return source.read(folder, half)


def _in_memory(
    pictures: Sequence[Any], targets: Sequence[int], classes: tuple[str, ...], preprocessing: Preprocessing
) -> Pictures:
    size, channels = preprocessing.size, len(preprocessing.mean)
    images = torch.empty(len(pictures), size, size, channels, dtype=torch.uint8)
    for index, picture in enumerate(pictures):
        opened = open_picture(picture) if isinstance(picture, Path) else Image.fromarray(picture)
        images[index] = preprocessing.crop(opened).permute(1, 2, 0)
    return Pictures(images, torch.tensor(targets), classes)
