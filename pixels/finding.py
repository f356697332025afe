"""Which pictures a folder stands for: the one rule for training, measuring, calibrating and predicting."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from PIL import Image

_NO_PICTURES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats that Pillow recognises but cannot read, or only with another program."""

_SYSTEM = frozenset(
    {"#recycle", "$recycle.bin", "@eadir", "__macosx", "__pycache__", "lost+found", "system volume information"}
)
"""Folders that operating systems and programs leave behind, in lower case."""


@cache
def picture_suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, that mark files in a folder as pictures: those that this Pillow opens.

    A file that is named explicitly may have any suffix.
    """
    return frozenset(
        suffix.lower()
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _NO_PICTURES
    )


class PassedOver(Counter[str]):
    """How many files and folders were passed over on the way, by kind.

    Example:
        >>> str(PassedOver({"hidden": 2, ".txt": 1}))
        '2 hidden, 1 .txt'
    """

    def __str__(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in self.most_common())


def find_pictures(paths: Iterable[Path], passed_over: PassedOver | None = None) -> list[Path]:
    """Return the paths with each folder replaced by the pictures below it, sorted by name.

    See `pictures_below` for which these are. Other paths (one that does not exist, a folder without pictures, one that
    may not be read) are passed through unchanged, so that opening them raises the explanatory error.

    Example:
        >>> find_pictures([Path("holiday"), Path("cat.jpg")])  # doctest: +SKIP
        [Path('holiday/1.png'), Path('holiday/beach/2.jpg'), Path('cat.jpg')]

    Args:
        paths: files and folders.
        passed_over: counts what was passed over in the folders.
    """
    found: list[Path] = []
    for path in paths:
        # Path.is_dir raises errors for names that are too long and below folders that may not be read.
        below = sorted(pictures_below(path, passed_over)) if os.path.isdir(path) else []  # noqa: PTH112
        found += below or [path]
    return found


def pictures_below(folder: Path, passed_over: PassedOver | None = None) -> Iterator[Path]:
    """Yield the pictures below a folder, in no particular order, and the folders that may not be read.

    Files and folders that `is_hidden` are passed over, as are files without a suffix of `picture_suffixes`. Links to
    folders are followed, except to a folder that the link itself is in.
    """
    skipped = PassedOver() if passed_over is None else passed_over
    yield from _walk(folder, (), skipped)


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is not the user's own: hidden, or left behind by an operating system.

    Example:
        >>> is_hidden(".ipynb_checkpoints"), is_hidden("._cat.png"), is_hidden("__MACOSX"), is_hidden("cats")
        (True, True, True, False)
    """
    return name.startswith(".") or name.lower() in _SYSTEM


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder; a link to itself, or into a folder that may not be searched, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _walk(folder: Path, above: tuple[tuple[int, int], ...], skipped: PassedOver) -> Iterator[Path]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in above:
            return
        entries = list(os.scandir(folder))
    except OSError:
        yield folder
        return
    for entry in entries:
        if is_hidden(entry.name):
            skipped["hidden"] += 1
        elif is_folder(entry):
            yield from _walk(Path(entry.path), (*above, (status.st_dev, status.st_ino)), skipped)
        elif (suffix := Path(entry.name).suffix.lower()) in picture_suffixes():
            yield Path(entry.path)
        else:
            skipped[suffix or "without a suffix"] += 1
