"""Labelled pictures, read into memory as a net expects them."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pixels import open_picture
from zoo.errors import DetailedError
from zoo.preprocessing import Preprocessing
from zoo.training.data import Pictures
from zoo.training.folders import read_all

Samples = tuple[Sequence[Any], Sequence[int], tuple[str, ...]]
"""Pictures (PIL's, arrays or paths), their targets, and the label of each class."""

_log = logging.getLogger(__name__)


def read_samples(samples: Samples, preprocessing: Preprocessing, *, skip_damaged: bool = False) -> Pictures:
    """Read pictures into memory, resized and cropped; into a temporary file if they take more than half of it.

    Args:
        samples: the pictures.
        preprocessing: how they become a net's input.
        skip_damaged: leave out those that cannot be read, with a warning, and list them in `Pictures.damaged`.

    Raises:
        ValueError: some cannot be read; all of them are named. Or there is room for them neither in memory nor in
            the folder of temporary files.
    """
    pictures, targets, classes = samples
    size, channels = preprocessing.size, len(preprocessing.mean)
    images = _room(len(pictures), size, channels)

    def crop(index: int) -> None:
        picture = pictures[index]
        opened = open_picture(picture, channels) if isinstance(picture, Path) else Image.fromarray(picture)
        images[index] = preprocessing.crop(opened).permute(1, 2, 0)

    good = undamaged(pictures, crop, skip=skip_damaged)
    paths = tuple(pictures) if pictures and isinstance(pictures[0], Path) else ()
    everything = Pictures(images, torch.tensor(targets, dtype=torch.long), classes, paths)
    return (
        everything if len(good) == len(pictures) else everything.without_damaged(torch.tensor(good, dtype=torch.long))
    )


def _room(count: int, size: int, channels: int) -> Tensor:
    """Return a uint8 tensor (count, size, size, channels) for pictures, in memory or in a file that vanishes with it.

    Raises:
        ValueError: there is no room for the file, or this system has no way to reserve any.
    """
    shape, needed = (count, size, size, channels), count * size**2 * channels
    if not hasattr(os, "sysconf"):  # as on Windows: nobody knows whether they fit
        return torch.empty(shape, dtype=torch.uint8)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    reserve = getattr(os, "posix_fallocate", None)  # not on macOS; unreserved, a full disk would be a crash
    if needed <= memory / 2 or (reserve is None and needed <= memory):
        return torch.empty(shape, dtype=torch.uint8)
    lacking = "this system cannot reserve room for a file"
    with tempfile.NamedTemporaryFile(prefix="diracnet-pictures-") as file:
        try:
            if reserve is not None:
                reserve(file.fileno(), 0, needed)
                return torch.from_file(file.name, shared=True, size=needed, dtype=torch.uint8).view(shape)
        except OSError as error:
            lacking = f"{tempfile.gettempdir()} has no room ({error.strerror}); let TMPDIR name a folder that has"
    raise ValueError(
        f"{count:,} pictures of {size}×{size} pixels take {needed / 1e9:,.1f} GB, which is too much for the "
        f"{memory / 1e9:,.1f} GB of memory here, and {lacking}. Or take fewer or smaller pictures; train can also read "
        "them again in each epoch (--crop resized)"
    )


def read_drawn(
    samples: Samples, order: Sequence[int], count: int, preprocessing: Preprocessing, *, skip_damaged: bool = False
) -> Pictures:
    """Read the first `count` pictures in an order; the next ones take the places of those that are left out."""
    pictures, targets, classes = samples
    found: Pictures | None = None
    place = 0
    while place < len(order) and (found is None or len(found) < count):
        wanted = order[place : place + count - (0 if found is None else len(found))]
        place += len(wanted)
        chosen = [pictures[index] for index in wanted], [targets[index] for index in wanted], classes
        more = read_samples(chosen, preprocessing, skip_damaged=skip_damaged)
        found = more if found is None else found.followed_by(more)
    return read_samples(([], [], classes), preprocessing) if found is None else found


class DamagedPicturesError(DetailedError, ValueError):
    """Pictures that cannot be read: a sentence, and one line for each of them in `details`.

    Args:
        details: the lines.
        then: what else is to be done.
    """

    def __init__(self, details: tuple[str, ...], then: str = "") -> None:
        text = (
            f"{_count(details)}; repair or remove them, or let train, evaluate, quantize or export leave them out with "
            f"--skip-damaged{then}:"
        )
        super().__init__(text, details)


def _count(damaged: Sized) -> str:
    return f"{len(damaged)} picture{'s' if len(damaged) > 1 else ''} cannot be read"


def undamaged(pictures: Sequence[Any], use: Callable[[int], object], *, skip: bool) -> list[int]:
    """Call `use` with the index of each picture and return the indices of those that it could read.

    Raises:
        DamagedPicturesError: some could not be read and are not to be skipped; all of them are named.
    """
    damaged = read_all(len(pictures), use)
    if damaged:
        if not skip:
            raise DamagedPicturesError(tuple(damaged.values()))
        _log.warning("%s and will be left out:", _count(damaged))
        for reason in damaged.values():
            _log.warning("  %s", reason)
    return [index for index in range(len(pictures)) if index not in damaged]
