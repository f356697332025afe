"""Which pictures are meant by the paths of a command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Of the files in a folder that are taken for pictures. A file that is named itself may have any suffix."""


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """Return the paths with each folder replaced by the pictures below it, in the order of their names.

    Hidden files and folders are passed over. Paths that do not exist stay: who opens them says so.

    Raises:
        ValueError: there is no picture below a folder.
        OSError: a folder may not be read.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        below = sorted(_below(path))
        if not below:
            raise ValueError(f"{path} holds no picture: no file below it ends in {', '.join(sorted(SUFFIXES))}")
        found += below
    return found


def _below(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield path
