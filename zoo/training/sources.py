"""Where labelled pictures come from: folders of pictures, well-known data sets, scikit-learn's digits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from zoo.labels import check_labels, difference
from zoo.preprocessing import IMAGENET, Preprocessing
from zoo.training.classes import renumbered, split_classes
from zoo.training.data import Dataset, Pictures
from zoo.training.fetched import cifar10, cifar100, fashion, imagenet
from zoo.training.folders import HALVES, half_folder, labelled_pictures
from zoo.training.places import DIGITS_KEY, find_place, kinds
from zoo.training.reading import Samples, read_drawn, read_samples

# torchvision takes as long to import as PyTorch, and few commands need it: it is imported where it is used.
if TYPE_CHECKING:
    from zoo.training.streaming import PictureFiles

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


def _digits(_: Path, half: str) -> Samples:
    """Return four fifths of scikit-learn's digits to train on, or one fifth of each class to test."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    enlarged = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    targets = torch.from_numpy(bunch.target).long()
    chosen = split_classes(targets, 0.2, seed=0)[half == "test"].numpy()
    return list(enlarged[chosen]), bunch.target[chosen].tolist(), tuple(str(digit) for digit in range(10))


READERS: Mapping[str, Callable[[Path, str], Samples]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "fashion-mnist": fashion,
    "imagenet": imagenet,
    DIGITS_KEY: _digits,
}
"""Readers of the data sets of `zoo.datasets` that are not folders of train/CLASS/PICTURE."""


def load_dataset(
    data: str,
    size: int | None = None,
    *,
    channels: int | None = None,
    stream: bool = False,
    workers: int = 2,
    skip_damaged: bool = False,
) -> Dataset:
    """Open a data set.

    Files passed over in folders, pictures left out as damaged, and classes without test pictures are logged as
    warnings.

    Args:
        data: a folder that holds `train/CLASS/*` and `test/CLASS/*` (or `val`); or `KEY:FOLDER` with a key of
            `zoo.datasets`; or the word "digits" (scikit-learn's, needs the `train` extra).
        size: height and width in pixels that pictures are resized to; by default that of the source.
        channels: what pictures become: 1 for grey, 3 for RGB, 4 for RGB with alpha; by default that of the source,
            which for a folder is RGB.
        stream: whether training pictures are read from their files in each epoch, for random crops of any part, rather
            than held in memory at the net's size.
        workers: processes that read streamed pictures; 0 to read them in this process.
        skip_damaged: leave out pictures that cannot be read. Streamed pictures are all read once to find the damaged
            ones.

    Raises:
        ValueError: no such data, pictures that cannot be read (all are named), fewer than two classes, test
            pictures of a class that has no training pictures, or pictures to stream that are not files.
        OSError: the data could not be read or downloaded.
    """
    preprocessing = default_preprocessing(data, size, channels=channels, stream=stream)
    halves: list[Pictures | PictureFiles] = []
    skipped = {}
    for half in HALVES:
        samples = _read(data, half)
        found = (
            _files(samples, data, preprocessing, workers, skip=skip_damaged)
            if stream
            else (read_samples(samples, preprocessing, skip_damaged=skip_damaged))
        )
        if found.damaged:
            skipped[half] = names_of(found.damaged, data)
            _check_no_class_is_empty(found, f"the {half} pictures of {data}")
        halves.append(found)
    train, test = halves
    if not set(test.classes) <= set(train.classes):
        raise ValueError(
            f"{data}: the halves differ: {difference(train.classes, test.classes, 'train', 'test')}; a class of the "
            "test pictures needs training pictures, in a folder of the same name"
        )
    if train.classes != test.classes:
        _log.warning("%s: no test pictures: %s", data, difference(train.classes, test.classes, "train", "test"))
        targets = renumbered(test.targets, test.classes, among=train.classes)
        test = replace(test, targets=targets, classes=train.classes)
    if len(train.classes) < 2:
        raise ValueError(f"{data} has one class only, {train.classes[0]!r}: there is nothing to tell apart")
    place = find_place(data)
    return Dataset(train, test, preprocessing, skipped, place.row.key if place.named else None)


def load_test(data: str, preprocessing: Preprocessing, *, skip_damaged: bool = False) -> Pictures:
    """Read the test pictures of a data set into memory, cropped as a net expects them; see `load_dataset`."""
    return read_samples(_read(data, "test"), preprocessing, skip_damaged=skip_damaged)


def load_sample(
    data: str, preprocessing: Preprocessing, count: int, seed: int, *, skip_damaged: bool = False
) -> Pictures:
    """Read a few training pictures of a data set, cropped as a net expects them; see `load_dataset`.

    Returns:
        `count` pictures, or all if there are not as many; the seed decides which, and in what order.
    """
    samples = _read(data, "train")
    order = torch.randperm(len(samples[0]), generator=torch.Generator().manual_seed(seed)).tolist()
    return read_drawn(samples, order, count, preprocessing, skip_damaged=skip_damaged)


def names_of(paths: Sequence[Path], data: str) -> list[str]:
    """Return files' names below the folder of a data set, for records that do not depend on where that is.

    Bytes of a name that are no UTF-8, as old archives have them, become escapes.
    """
    folder = find_place(data).folder
    names = (path.relative_to(folder).as_posix() for path in paths)
    return [name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for name in names]


def default_preprocessing(
    data: str, size: int | None = None, *, channels: int | None = None, stream: bool = False
) -> Preprocessing:
    """Return how the pictures of a data set become a net's input; see `load_dataset`."""
    preprocessing = IMAGENET if stream else find_place(data).row.preprocessing
    if channels is not None:
        preprocessing = preprocessing.with_channels(channels)
    if size is None:
        return preprocessing
    border = preprocessing.size / preprocessing.resize
    return replace(preprocessing, resize=round(size / border), size=size)


def _read(data: str, half: str) -> Samples:
    place = find_place(data)
    read = READERS[place.reader] if place.reader else _folders
    pictures, targets, classes = read(place.folder, half)
    check_labels(classes, data)
    return pictures, targets, classes


def _files(samples: Samples, data: str, preprocessing: Preprocessing, workers: int, *, skip: bool) -> PictureFiles:
    """Return the pictures of a half as files to be read in each epoch."""
    from zoo.training.streaming import PictureFiles

    pictures, targets, classes = samples
    if not isinstance(pictures[0], Path):
        raise ValueError(f"{data} has no picture files to stream; crop=resized needs a folder of them")
    files = PictureFiles(tuple(pictures), torch.tensor(targets), classes, preprocessing, workers)
    return files.undamaged() if skip else files


def _check_no_class_is_empty(pictures: Pictures | PictureFiles, what: str) -> None:
    counts = torch.bincount(pictures.targets, minlength=len(pictures.classes))
    if counts.min() == 0:
        raise ValueError(f"no picture of the class {pictures.classes[int(counts.argmin())]!r} can be read among {what}")
