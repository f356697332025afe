"""Where labelled pictures come from: folders of pictures, well-known data sets, scikit-learn's digits."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor

from pixels import open_picture
from zoo.labels import check_labels, difference, imagenet_classes
from zoo.preprocessing import IMAGENET, Preprocessing
from zoo.training.data import Dataset, Pictures, split_classes
from zoo.training.folders import HALVES, half_folder, labelled_pictures, read_all
from zoo.training.places import DIGITS_KEY, find_place, kinds
from zoo.training.streaming import PictureFiles

Samples = tuple[Sequence[Any], Sequence[int], tuple[str, ...]]
"""Pictures (PIL's, arrays or paths), their targets, and the label of each class."""

_log = logging.getLogger(__name__)


def _folders(folder: Path, half: str) -> Samples:
    chosen = half_folder(folder, half, kinds())
    if half == "test":
        others = [name for name in HALVES[half] if name != chosen.name and (folder / name).is_dir()]
        if others:
            _log.warning("%s has %s, too: the test pictures are those of %s", folder, ", ".join(others), chosen.name)
        elif chosen.name != half:
            _log.warning("%s has no folder test: %s takes its place", folder, chosen.name)
    return labelled_pictures(chosen)


def _imagenet(folder: Path, half: str) -> Samples:
    name = "train" if half == "train" else "val"
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; ImageNet's has train/ and val/, or the archives of them")
    if not (folder / name).is_dir():
        torchvision.datasets.ImageNet(str(folder), name)  # unpacks the archives, or says which is missing
    paths, targets, found = labelled_pictures(folder / name)
    classes = imagenet_classes()
    if found != tuple(classes):
        differing = difference(found, tuple(classes), str(folder / name), "ImageNet-1k")
        raise ValueError(f"the folders in {folder / name} are not those of ImageNet's 1,000 classes: {differing}")
    return paths, targets, tuple(classes.values())


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
    """Yield a folder laid out as torchvision expects when the packed files are in `folder` itself (as on Debian)."""
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
    """Return four fifths of scikit-learn's digits to train on, or one fifth of each class to test."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    enlarged = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    targets = torch.from_numpy(bunch.target).long()
    chosen = split_classes(targets, 0.2, seed=0)[half == "test"].numpy()
    return list(enlarged[chosen]), bunch.target[chosen].tolist(), tuple(str(digit) for digit in range(10))


READERS: Mapping[str, Callable[[Path, str], Samples]] = {
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "fashion-mnist": _fashion,
    "imagenet": _imagenet,
    DIGITS_KEY: _digits,
}
"""Readers of the data sets of `zoo.datasets` that are not folders of train/CLASS/PICTURE: torchvision, which
downloads CIFAR and Fashion-MNIST, and scikit-learn."""


def load_dataset(
    data: str, size: int | None = None, *, stream: bool = False, workers: int = 2, skip_damaged: bool = False
) -> Dataset:
    """Open a data set.

    Files passed over in folders, and pictures left out as damaged, are logged as warnings.

    Args:
        data: a folder that holds `train/CLASS/*` and `test/CLASS/*` (or `val`), of pictures that become RGB; or
            `KEY:FOLDER` with a key of `zoo.datasets`; or the word "digits" (scikit-learn's, needs the `train` extra).
        size: height and width in pixels that pictures are resized to; by default that of the source.
        stream: whether training pictures are read from their files in each epoch, for random crops of any part, rather
            than held in memory at the net's size.
        workers: processes that read streamed pictures; 0 to read them in this process.
        skip_damaged: leave out pictures that cannot be read. Streamed pictures are all read once to find the damaged
            ones.

    Raises:
        ValueError: no such data, pictures that cannot be read (all are named), fewer than two classes, halves with
            different ones, or pictures to stream that are not files.
        OSError: the data could not be read or downloaded.
    """
    preprocessing = IMAGENET if stream else find_place(data).row.preprocessing
    if size is not None:
        border = preprocessing.size / preprocessing.resize
        preprocessing = replace(preprocessing, resize=round(size / border), size=size)
    halves: list[Pictures | PictureFiles] = []
    skipped = {}
    for half in HALVES:
        pictures, targets, classes = _read(data, half)
        if stream:
            if not isinstance(pictures[0], Path):
                raise ValueError(f"{data} has no picture files to stream; crop=resized needs a folder of them")
            kept = _openable(pictures) if skip_damaged else list(range(len(pictures)))
            paths = tuple(pictures[index] for index in kept)
            files = PictureFiles(paths, torch.tensor(targets)[kept], classes, preprocessing, workers)
            halves.append(files)
        else:
            halves.append(_in_memory(pictures, targets, classes, preprocessing, skip=skip_damaged))
        skipped[half] = len(pictures) - len(halves[-1])
        if skipped[half]:
            _check_no_class_is_empty(halves[-1], f"the {half} pictures of {data}")
    train, test = halves
    if train.classes != test.classes:
        raise ValueError(f"{data}: the halves differ: {difference(train.classes, test.classes, 'train', 'test')}")
    if len(train.classes) < 2:
        raise ValueError(f"{data} has one class only, {train.classes[0]!r}: there is nothing to tell apart")
    return Dataset(train, test, preprocessing, {half: count for half, count in skipped.items() if count})


def load_test(data: str, preprocessing: Preprocessing) -> Pictures:
    """Read the test pictures of a data set into memory, cropped as a net expects them; see `load_dataset`."""
    return _in_memory(*_read(data, "test"), preprocessing)


def load_sample(data: str, preprocessing: Preprocessing, count: int, seed: int) -> Tensor:
    """Read a few training pictures of a data set, cropped as a net expects them; see `load_dataset`.

    Returns:
        uint8, (count, size, size, channels), or fewer if there are not as many; the seed decides which, and in what
        order.
    """
    pictures, targets, classes = _read(data, "train")
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))[:count].tolist()
    chosen = [pictures[place] for place in order], [targets[place] for place in order]
    return _in_memory(*chosen, classes, preprocessing).images


def read_pictures(pictures: Sequence[Any], preprocessing: Preprocessing) -> Tensor:
    """Return pictures (paths or arrays), cropped as a net expects them: uint8, (n, size, size, channels).

    Raises:
        ValueError: some cannot be read; all of them are named.
    """
    return _in_memory(pictures, [0] * len(pictures), ("",), preprocessing).images


def _read(data: str, half: str) -> Samples:
    place = find_place(data)
    read = READERS[place.reader] if place.reader else _folders
    pictures, targets, classes = read(place.folder, half)
    check_labels(classes, data)
    return pictures, targets, classes


def _in_memory(
    pictures: Sequence[Any],
    targets: Sequence[int],
    classes: tuple[str, ...],
    preprocessing: Preprocessing,
    *,
    skip: bool = False,
) -> Pictures:
    size, channels = preprocessing.size, len(preprocessing.mean)
    images = torch.empty(len(pictures), size, size, channels, dtype=torch.uint8)

    def crop(index: int) -> None:
        picture = pictures[index]
        opened = open_picture(picture) if isinstance(picture, Path) else Image.fromarray(picture)
        images[index] = preprocessing.crop(opened).permute(1, 2, 0)

    good = torch.tensor(_undamaged(pictures, crop, skip=skip), dtype=torch.long)
    everything = Pictures(images, torch.tensor(targets, dtype=torch.long), classes)
    return everything if len(good) == len(pictures) else everything.subset(good)


def _openable(paths: Sequence[Path]) -> list[int]:
    """Return the indices of the files that are pictures, after opening all."""

    def attempt(index: int) -> None:
        open_picture(paths[index])

    return _undamaged(paths, attempt, skip=True)


def _undamaged(pictures: Sequence[Any], use: Callable[[int], object], *, skip: bool) -> list[int]:
    """Call `use` with the index of each picture and return the indices of those that it could read.

    Raises:
        ValueError: some could not be read and are not to be skipped; all of them are named.
    """
    damaged = read_all(len(pictures), use)
    if damaged:
        count = f"{len(damaged)} picture{'s' if len(damaged) > 1 else ''} cannot be read"
        lines = "".join(f"\n  {reason}" for reason in damaged.values())
        if not skip:
            raise ValueError(f"{count}; repair or remove them, or train without them (--skip-damaged):{lines}")
        _log.warning("%s and will be left out:%s", count, lines)
    return [index for index in range(len(pictures)) if index not in damaged]


def _check_no_class_is_empty(pictures: Pictures | PictureFiles, what: str) -> None:
    counts = torch.bincount(pictures.targets, minlength=len(pictures.classes))
    if counts.min() == 0:
        raise ValueError(f"no picture of the class {pictures.classes[int(counts.argmin())]!r} can be read among {what}")
