"""Files of weights that others publish: several addresses of the same weights, tried in order, each file checked."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit

from zoo.errors import DetailedError
from zoo.files import hash_file, replace_file
from zoo.weights.fetching import cache, copy_stream, is_storage_fault, receive, storing

_DIGITS = {"sha256": 64, "sha1": 40}

# What damaged files and archives raise.
_DAMAGE = (ValueError, EOFError, zipfile.BadZipFile, zlib.error)


class UnobtainableError(DetailedError, RuntimeError):
    """Weights that no address has: a sentence, and one line for each file and address that was tried."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An address of weights, and what its publisher says of them.

    Args:
        url: of the file; or of a .zip archive that holds it alone, by the name of the archive without .zip.
        digest: of the file, not the archive: `sha256:` or `sha1:` and hexadecimal digits, at least the first eight.
        publisher: whose it is and where the figures are.
        metrics: "top1" and "top5" in percent, as published.
        preprocessing: how pictures were prepared for those figures, in words.
        resize_backend: the library that resized them.
    """

    url: str
    digest: str
    publisher: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    preprocessing: str
    resize_backend: str

    def __post_init__(self) -> None:
        kind, _, digits = self.digest.partition(":")
        if not (8 <= len(digits) <= _DIGITS.get(kind, 0) and set(digits) <= set("0123456789abcdef")):
            raise ValueError(f"digest={self.digest!r} of {self.url}: it must be sha256: or sha1: and 8 or more digits")

    @property
    def name(self) -> str:
        """The file's name, without .zip."""
        return urlsplit(self.url).path.rsplit("/", 1)[1].removesuffix(".zip")

    @property
    def is_archive(self) -> bool:
        """Whether the address is that of an archive."""
        return urlsplit(self.url).path.endswith(".zip")

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which people may have the file: its own and, if there is one, the archive's."""
        return (self.name, f"{self.name}.zip") if self.is_archive else (self.name,)

    def check(self, path: Path) -> None:
        """Raise ValueError unless a file's bytes are this source's."""
        kind, _, digits = self.digest.partition(":")
        found = hash_file(path, hashlib.new(kind, usedforsecurity=False))
        if not found.startswith(digits):
            raise ValueError(f"its {kind} is {found}, not {digits}")

    def figures(self) -> dict[str, Any]:
        """Return what was published, in a form that JSON can hold."""
        return {
            "source": self.publisher,
            "metrics": dict(self.metrics),
            "preprocessing": self.preprocessing,
            "resize_backend": self.resize_backend,
        }


def obtain(sources: Sequence[Source], what: str) -> tuple[Path, Source]:
    """Return the file of the first source that has it, and that source.

    PyTorch's cache (TORCH_HOME) is looked at for all of them before anything is fetched.

    Args:
        sources: in the order in which they are tried.
        what: the weights' name, for messages.

    Raises:
        RuntimeError: none has it, and the message tells why each has not; or the cache cannot hold it.
    """
    folder = cache()
    with storing(folder, what):
        found, faults = _look(sources, folder)
        if found is not None:
            return found
        for source in sources:
            fault = _download(source, folder / source.name)
            if fault is None:
                return folder / source.name, source
            faults.append(f"{source.url}: {fault}")
    *names, last = (name for source in sources for name in source.names)
    one_of = f"{', '.join(names)} or {last}" if names else last
    raise UnobtainableError(
        f"{what} could not be fetched from any of its {len(sources)} addresses, which are other people's and may be "
        f"gone. If you have {one_of}, put it into {folder}, or into a folder that you name with --from (mirror=…). "
        "What was tried:",
        faults,
    )


def find(sources: Sequence[Source], folder: Path) -> tuple[Path, Source] | None:
    """Return the first source whose file or archive lies in a folder, with the file's path; None if there is none.

    A file out of an archive is put into PyTorch's cache.

    Raises:
        ValueError: files of these names are there, but none is its source's.
        RuntimeError: the cache cannot hold what is in an archive.
    """
    found, faults = _look(sources, folder)
    if found is None and faults:
        raise ValueError(f"{'; '.join(faults)}; fetch it again")
    return found


def _look(sources: Sequence[Source], folder: Path) -> tuple[tuple[Path, Source] | None, list[str]]:
    """Return what `find` does, and what is wrong with each file that has a source's name."""
    faults: list[str] = []
    there = [(folder / name, source) for source in sources for name in source.names if (folder / name).is_file()]
    for path, source in there:
        found = _open(path, source)
        if isinstance(found, Path):
            return (found, source), faults
        faults.append(f"{path} is damaged: {found}")
    return None, faults


def _open(path: Path, source: Source) -> Path | str:
    """Return the path of the source's file, which is there or in an archive there; or what is wrong, in a phrase."""
    try:
        if path.name == source.name:
            source.check(path)
            return path
        return _keep_member(path, source)
    except _DAMAGE as error:
        return str(error)


def _keep_member(archive: Path, source: Source) -> Path:
    """Put the file in an archive into the cache, and return its path there."""
    path = cache() / source.name
    with archive.open("rb") as opened, storing(path.parent, source.name), replace_file(path) as temporary:
        _unpack(opened, source, temporary)
        source.check(temporary)
    return path


def _download(source: Source, path: Path) -> str | None:
    """Fetch a source's file into the cache; return why that failed, in a phrase, or None.

    Raises:
        OSError: the cache cannot hold it.
    """
    from huggingface_hub import constants  # records, which import this file, are needed without it

    try:
        if constants.HF_HUB_OFFLINE and source.url.startswith("https:"):
            raise ValueError("HF_HUB_OFFLINE forbids asking the network; unset it")
        with replace_file(path) as temporary:
            if source.is_archive:
                with TemporaryFile(dir=path.parent) as archive:
                    receive(source.url, archive, "it")
                    _unpack(archive, source, temporary)
            else:
                with temporary.open("wb") as written:
                    receive(source.url, written, "it")
            source.check(temporary)
    except (OSError, HTTPException, *_DAMAGE) as error:
        if is_storage_fault(error):
            raise
        return str(getattr(error, "reason", None) or error or type(error).__name__)
    return None


def _unpack(archive: IO[bytes], source: Source, path: Path) -> None:
    """Write the only file of an archive.

    Raises:
        ValueError: it is none, is encrypted, or holds something else.
        EOFError, zipfile.BadZipFile, zlib.error: it is damaged.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise ValueError(f"it is not the archive {source.name}.zip ({error})") from error
    with opened:
        members = [member for member in opened.infolist() if not member.is_dir()]
        if [member.filename for member in members] != [source.name]:
            listed = ", ".join(repr(member.filename) for member in members[:3]) or "nothing"
            raise ValueError(f"the archive holds {listed}, and should hold {source.name} alone")
        try:
            packed = opened.open(members[0])
        except RuntimeError as error:
            raise ValueError(f"the archive cannot be unpacked ({error})") from error
        with packed, path.open("wb") as written:
            copy_stream(packed, written, source.name)
