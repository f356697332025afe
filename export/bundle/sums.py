"""SHA256SUMS: the files of a bundle and their hashes, in the format that `sha256sum -c` reads."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from export.layout import CONFIG, MODEL_TYPE, SIGNATURE, SUMS
from zoo.files import read_json, replace_file, sha256
from zoo.layout import is_left_behind

FOREIGN = (".git", ".gitattributes", ".gitignore", ".cache")
"""Files and folders that Git and the Hub's client add to a bundle's folder."""
UNLISTED = {SUMS, SIGNATURE}
"""A bundle's files that SHA256SUMS does not list."""


def files_below(folder: Path) -> list[str]:
    """Return the names of a bundle's files, leaving out those of Git, of the Hub's client and of file managers."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(name.as_posix() for name in names if name.parts[0] not in FOREIGN and not is_left_behind(name.name))


def left_behind(folder: Path) -> list[str]:
    """Return the names of the files that file managers have added to a folder."""
    found = (path for path in folder.rglob("*") if is_left_behind(path.name) and not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def write_sums(folder: Path) -> None:
    """Write a SHA256SUMS that lists all other files in a folder."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in files_below(folder) if name not in UNLISTED]
    with replace_file(folder / SUMS) as temporary:
        temporary.write_bytes("".join(lines).encode())  # text mode would end lines otherwise on Windows


def require_bundle(folder: Path) -> None:
    """Raise FileNotFoundError unless a folder is a bundle: has a SHA256SUMS."""
    if not (folder / SUMS).is_file():
        raise FileNotFoundError(f"{folder} is not a bundle: it has no {SUMS}")


def own_bundle(folder: Path) -> None:
    """Raise ValueError unless a folder is a bundle and holds nothing else that would be lost with it."""
    refused = "so it is not replaced; name another folder"
    if not (folder / SUMS).is_file():
        raise ValueError(f"{folder} is not a bundle: it has no {SUMS}, {refused}")
    try:
        ours = read_json(folder / CONFIG).get("model_type") == MODEL_TYPE
        names = {*read_sums(folder / SUMS), *UNLISTED}
    except ValueError as error:
        raise ValueError(f"{folder} is not a bundle: {error}, {refused}") from error
    if not ours:
        raise ValueError(f"{folder} is not a bundle of this package, by its {CONFIG}, {refused}")
    others = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not _belongs(path, folder, names))
    if others:
        shown = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
        raise ValueError(f"{folder} holds more than a bundle ({shown}), {refused}")


def _belongs(path: Path, folder: Path, names: Collection[str]) -> bool:
    name = path.relative_to(folder).as_posix()
    if path.is_dir() and not path.is_symlink():
        return any(listed.startswith(f"{name}/") for listed in names)
    return name in names or is_left_behind(path.name)


def faults(folder: Path) -> list[str]:
    """Compare a folder with its SHA256SUMS and return one phrase for each file that is wrong.

    Raises:
        FileNotFoundError: there is no SHA256SUMS.
    """
    require_bundle(folder)
    try:
        sums = read_sums(folder / SUMS)
    except ValueError as error:
        return [str(error)]
    there = set(files_below(folder)) - UNLISTED
    special = sorted(name for name in there if not (folder / name).is_file())
    if special:  # reading one might never end
        return [f"{name} is no file" for name in special]
    altered = sorted(name for name in there & sums.keys() if sha256(folder / name) != sums[name])
    return [
        *(f"{name} is altered" for name in altered),
        *(f"{name} is missing" for name in sorted(sums.keys() - there)),
        *(f"{name} is not listed in {SUMS}" for name in sorted(there - sums.keys())),
    ]


def read_sums(path: Path) -> dict[str, str]:
    """Return the hashes in a SHA256SUMS, keyed by file name; ValueError if it is damaged."""
    try:
        # Decoded and split by hand, because Python's text mode accepts other line endings too.
        *lines, rest = path.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{SUMS} is not text") from None
    if rest:
        raise ValueError(f"{SUMS} has no end of line after {rest!r}")
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if match is None or match[2] in sums:
            raise ValueError(f"{SUMS} has no hash and new name in line {number}")
        sums[match[2]] = match[1]
    return sums
