"""What --data means, and whether it is there: checked before PyTorch is imported and before anything is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from zoo.datasets import DATASETS, DataSet, find_dataset
from zoo.training.folders import HALVES, half_folder, imagenet_folder

DIGITS_KEY = "digits"
"""The name of the one data set that needs no folder."""


class Place(NamedTuple):
    """Where a data set is.

    Args:
        row: what is known about it.
        folder: the user's folder; the current one for the digits.
        reader: the key of its reader in `zoo.training.sources.READERS`; None for folders of HALF/CLASS/PICTURE.
        named: whether the text names the data set, and not a folder alone.
    """

    row: DataSet
    folder: Path
    reader: str | None
    named: bool


def find_place(data: str) -> Place:
    """Return the place that a text means: `digits`, `KEY:FOLDER`, or the name of a folder.

    Example:
        >>> find_place("cifar10:pictures").reader, find_place("pictures").reader
        ('cifar10', None)
    """
    key, colon, folder = (data, ":", "") if data == DIGITS_KEY else data.partition(":")
    if colon and key in DATASETS and (key != DIGITS_KEY or not folder):
        return Place(DATASETS[key], Path(folder), None if DATASETS[key].in_folders else key, named=True)
    return Place(find_dataset(data), Path(data), None, named=False)


def check_dataset(data: str, halves: Iterable[str] = HALVES) -> None:
    """Raise ValueError or FileNotFoundError unless `zoo.training.sources` can read these halves of a data set."""
    place = find_place(data)
    for half in halves:
        if place.reader is None:
            half_folder(place.folder, half, kinds())
        elif place.reader == "imagenet":  # the others are downloaded if they are not there
            imagenet_folder(place.folder, half)


def is_plain_folder(data: str) -> bool:
    """Tell whether a text names a folder of pictures, without halves and classes."""
    folder = Path(data)
    return folder.is_dir() and not any((folder / name).is_dir() for names in HALVES.values() for name in names)


def check_pictures(data: str) -> None:
    """Raise ValueError or FileNotFoundError unless there are pictures: in a folder, or in a training half."""
    if not is_plain_folder(data):
        check_dataset(data, ("train",))


def kinds() -> str:
    """Tell, in a sentence for error messages, what a data set may be."""
    named = ", ".join(f"{key}:FOLDER" for key in DATASETS if key != DIGITS_KEY)
    return (
        f"a data set is a folder with train/CLASS/PICTURE and test/CLASS/PICTURE, or one of {named}, or the word "
        f"'{DIGITS_KEY}'"
    )
