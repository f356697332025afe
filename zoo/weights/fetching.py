"""How files come from other people's servers into PyTorch's cache: bounded, in time, and whole."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import urlopen

LARGEST = 1 << 30
"""Bytes that a download, or a file in an archive, may have; the largest known is a tenth of that."""
PATIENCE = 30.0
"""Seconds for which a server may stay silent, and after which it must have kept up `SLOWEST`."""
SLOWEST = 10_000
"""Bytes a second, on average, below which a download is given up."""
_BLOCK = 1 << 20
_STORAGE = {
    getattr(errno, name)
    for name in ("EACCES", "EDQUOT", "EEXIST", "ENOENT", "ENOSPC", "ENOTDIR", "EPERM", "EROFS")
    if hasattr(errno, name)
}

_log = logging.getLogger("zoo")


class StorageError(RuntimeError):
    """A folder that cannot be written to, which is no fault of any server."""


def cache() -> Path:
    """Return the folder of downloads: `checkpoints/` in PyTorch's, which TORCH_HOME chooses."""
    import torch  # records, which import this file, are needed without it

    return Path(torch.hub.get_dir()) / "checkpoints"


@contextmanager
def storing(folder: Path, what: str) -> Iterator[None]:
    """Tell faults of a folder of downloads, which is made if it is not there, from those of servers.

    Raises:
        StorageError: the folder is full, cannot be written to, or is none.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if not is_storage_fault(error):
            raise
        raise StorageError(
            f"{folder} cannot hold {what}: {error.strerror}; make room there, or let TORCH_HOME name another folder"
        ) from error


def is_storage_fault(error: BaseException) -> bool:
    """Tell whether an error is a folder's and no server's, whose errors have another errno or none."""
    return isinstance(error, OSError) and error.errno in _STORAGE


def receive(url: str, written: IO[bytes], what: str, largest: int | None = None) -> None:
    """Download a file.

    Args:
        url: its address, https: or file:.
        written: where to write it.
        what: its name, for messages.
        largest: how many bytes it may have; LARGEST by default.

    Raises:
        ValueError: the address is not secure, or leads to one that is not; or the file is too large, breaks off or
            comes too slowly.
        OSError: the server cannot be reached, or refuses. So does http.client.HTTPException.
    """
    _check_secure(urlsplit(url).scheme, "its address begins with")
    _log.info("fetching %s", url)
    with urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 (checked above)
        if url.startswith("https:"):
            _check_secure(urlsplit(answer.url).scheme, "its address leads to one that begins with")
        total = copy_stream(answer, written, what, largest)
        declared = answer.headers.get("Content-Length", "")
        if declared.isdecimal() and total < int(declared):
            raise ValueError(f"it breaks off after {total:,} of {int(declared):,} bytes")


def copy_stream(read: IO[bytes], written: IO[bytes], what: str, largest: int | None = None) -> int:
    """Copy a stream, whatever its headers claim of its length, and return how many bytes it had.

    Args:
        read: what to read.
        written: where to write it.
        what: its name, for messages.
        largest: how many bytes it may have; LARGEST by default.

    Raises:
        ValueError: it is larger, or comes more slowly than SLOWEST.
    """
    total, most, begin = 0, LARGEST if largest is None else largest, time.monotonic()
    read_some = getattr(read, "read1", None) or read.read  # what has come, instead of waiting for all of a block
    while block := read_some(_BLOCK):
        total += len(block)
        if total > most:
            raise ValueError(f"{what} is larger than {most:,} bytes")
        elapsed = time.monotonic() - begin
        if elapsed > PATIENCE and total < SLOWEST * elapsed:
            raise ValueError(f"{what} comes too slowly: {total:,} bytes in {elapsed:.0f} s")
        written.write(block)
    written.flush()
    return total


def _check_secure(scheme: str, where: str) -> None:
    if scheme not in ("https", "file"):
        raise ValueError(f"{where} {scheme}:, and only https: is secure")
