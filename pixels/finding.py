"""Which pictures are meant by the paths of a command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Of the files in a folder that are taken for pictures. A file that is named itself may have any suffix."""


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """Return the paths with each folder replaced by the pictures below it, in the order of their names.

    Hidden files and folders are passed over, and links to folders are not followed. What is no picture stays as it is,
    so that who opens it says why: a path that does not exist, a folder without pictures, one that may not be read.
    """
    found: list[Path] = []
    for path in paths:
        # Path.is_dir raises errors for names that are too long and below folders that may not be read.
        below = sorted(_below(path)) if os.path.isdir(path) else []  # noqa: PTH112
        found += below or [path]
    return found


def _below(folder: Path) -> Iterator[Path]:
    unreadable: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield path
    yield from unreadable
