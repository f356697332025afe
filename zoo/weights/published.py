"""Files of weights that others publish: several addresses of the same weights, tried in order, each file checked."""

from __future__ import annotations

import hashlib
import logging
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from zoo.files import hash_file, replace_file

LARGEST = 1 << 30
"""Bytes that a download, or a file in an archive, may have; the largest known is a tenth of that."""
PATIENCE = 30.0
"""Seconds for which a server may stay silent."""
_DIGITS = {"sha256": 64, "sha1": 40}
_BLOCK = 1 << 20

# OSError is urllib's own and a broken connection's; the others are what damaged answers and archives raise.
_FAULTS = (OSError, HTTPException, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)

_log = logging.getLogger("zoo")


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

    def fault(self, path: Path) -> str | None:
        """Return what is wrong with a file, in a phrase; None if its bytes are this source's."""
        kind, _, digits = self.digest.partition(":")
        found = hash_file(path, hashlib.new(kind, usedforsecurity=False))
        return None if found.startswith(digits) else f"its {kind} is {found}, not {digits}"

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
        RuntimeError: none has it; the message tells all that was tried.
    """
    folder = cache()
    for source in sources:
        path = folder / source.name
        if path.is_file() and source.fault(path) is None:
            return path, source
    faults = []
    for source in sources:
        fault = _download(source, folder / source.name)
        if fault is None:
            return folder / source.name, source
        faults.append(f"\n  {source.url}: {fault}")
    names = " or ".join(source.name for source in sources)
    raise RuntimeError(
        f"{what} could not be fetched from any of its {len(sources)} addresses:{''.join(faults)}\n"
        f"They are other people's and may be gone. If you have {names}, put it into {folder}, or into a folder that "
        "you name with --from (mirror=…)"
    )


def cache() -> Path:
    """Return the folder of downloads: `checkpoints/` in PyTorch's, which TORCH_HOME chooses."""
    import torch  # records, which import this file, are needed without it

    return Path(torch.hub.get_dir()) / "checkpoints"


def find(sources: Sequence[Source], folder: Path) -> tuple[Path, Source] | None:
    """Return the first source's file or archive that lies in a folder, and the source; None if there is none.

    Raises:
        ValueError: a file of this name is not the source's.
    """
    for source in sources:
        path = folder / source.name
        if path.is_file():
            if fault := source.fault(path):
                raise ValueError(f"{path} is damaged: {fault}; fetch it again")
            return path, source
    return None


def _download(source: Source, path: Path) -> str | None:
    """Fetch a source's file into the cache; return why that failed, in a phrase, or None."""
    try:
        _fetch(source, path)
    except _FAULTS as error:
        return str(getattr(error, "reason", None) or error or type(error).__name__)
    return None


def _fetch(source: Source, path: Path) -> None:
    from huggingface_hub import constants  # records, which import this file, are needed without it

    scheme = urlsplit(source.url).scheme
    if scheme not in ("https", "file"):
        raise ValueError(f"its address begins with {scheme}:, and only https: is secure")
    if scheme == "https" and constants.HF_HUB_OFFLINE:
        raise ValueError("HF_HUB_OFFLINE forbids asking the network; unset it")
    path.parent.mkdir(parents=True, exist_ok=True)
    _log.info("fetching %s", source.url)
    with replace_file(path) as temporary:
        with urlopen(source.url, timeout=PATIENCE) as answer, ExitStack() as stack:  # noqa: S310 (checked above)
            if source.is_archive:
                archive = stack.enter_context(TemporaryFile(dir=path.parent))
                copy_stream(answer, archive, "it")
                answer = stack.enter_context(_member(archive, source.name))
            copy_stream(answer, stack.enter_context(temporary.open("wb")), source.name)
        if fault := source.fault(temporary):
            raise ValueError(f"what it sends is not the file of the registry: {fault}")


@contextmanager
def _member(archive: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """Open the only file of an archive; ValueError if that has another name."""
    with zipfile.ZipFile(archive) as opened:
        members = [member for member in opened.infolist() if not member.is_dir()]
        if [member.filename for member in members] != [name]:
            listed = ", ".join(repr(member.filename) for member in members[:3]) or "nothing"
            raise ValueError(f"the archive holds {listed}, and should hold {name} alone")
        with opened.open(members[0]) as packed:
            yield packed


def copy_stream(read: IO[bytes], written: IO[bytes], what: str, largest: int | None = None) -> None:
    """Copy a stream, whatever its headers claim of its length.

    Args:
        read: what to read.
        written: where to write it.
        what: its name, for the message.
        largest: how many bytes it may have; LARGEST by default.

    Raises:
        ValueError: it is larger.
    """
    total, most = 0, LARGEST if largest is None else largest
    while block := read.read(_BLOCK):
        total += len(block)
        if total > most:
            raise ValueError(f"{what} is larger than {most:,} bytes")
        written.write(block)
