"""SHA256SUMS: which files a bundle has, and their hashes, as `sha256sum -c` reads them."""

from __future__ import annotations

import re
from pathlib import Path

from export.layout import SUMS
from zoo.files import replace_file, sha256

FOREIGN = (".git", ".gitattributes", ".gitignore", ".cache")
"""What Git and the Hub's client put beside a bundle's files."""


def files_below(folder: Path) -> list[str]:
    """Return the names of a bundle's files, without those of Git and of the Hub's client."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(name.as_posix() for name in names if name.parts[0] not in FOREIGN)


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over all other files of a folder."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in files_below(folder) if name != SUMS]
    with replace_file(folder / SUMS) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def faults(folder: Path) -> list[str]:
    """Return what is wrong with a folder's files by its SHA256SUMS, a phrase a file; nothing if all is well.

    Raises:
        FileNotFoundError: there is no SHA256SUMS.
    """
    if not (folder / SUMS).is_file():
        raise FileNotFoundError(f"{folder} is no bundle: it has no {SUMS}")
    try:
        sums = read_sums(folder / SUMS)
    except ValueError as error:
        return [str(error)]
    there = set(files_below(folder)) - {SUMS}
    altered = sorted(name for name in there & sums.keys() if sha256(folder / name) != sums[name])
    return [
        *(f"{name} is altered" for name in altered),
        *(f"{name} is missing" for name in sorted(sums.keys() - there)),
        *(f"{name} is not listed in {SUMS}" for name in sorted(there - sums.keys())),
    ]


def read_sums(path: Path) -> dict[str, str]:
    """Return the hashes in a SHA256SUMS by the names of the files; ValueError where it is damaged."""
    try:
        # Decoded and split by hand: the text mode of Python takes other bytes for ends of lines too.
        *lines, rest = path.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{SUMS} is no text") from None
    if rest:
        raise ValueError(f"{SUMS} has no end of line after {rest!r}")
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if match is None or match[2] in sums:
            raise ValueError(f"{SUMS} has no hash and new name in line {number}")
        sums[match[2]] = match[1]
    return sums
