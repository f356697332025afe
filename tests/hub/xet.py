"""The test server's Xet storage: folders, which hf_xet takes as `local://FOLDER` in place of a storage service."""

from __future__ import annotations

import shutil
import struct
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import hf_xet

SESSION = hf_xet.XetSession()


class Xet:
    """Contents by their Xet hash.

    A folder serves one process at a time, which keeps it locked. So every token is for another folder: an empty one to
    write to, or a copy of what a commit holds to read from.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="xet-")
        self._written: list[Path] = []
        self._hashes: dict[str, str] = {}
        self._commits: dict[str, Path] = {}
        self._lock = threading.RLock()

    def to_write(self) -> str:
        """Return the address of a new, empty storage."""
        self._written.append(self._new("w-"))
        return f"local://{self._written[-1]}"

    def to_read(self, commit: str, contents: Iterable[bytes]) -> str:
        """Return the address of a new storage that holds the contents of a commit."""
        with self._lock:
            if commit not in self._commits:
                self._commits[commit] = folder = self._new("c-")
                _put(folder, contents)
            copy = self._new("r-")
            shutil.copytree(self._commits[commit], copy, dirs_exist_ok=True)
            return f"local://{copy}"

    def hash(self, sha256: str, content: bytes) -> str:
        """Return the Xet hash of a content."""
        with self._lock:
            if sha256 not in self._hashes:
                (self._hashes[sha256],) = _put(self._new("h-"), [content])
            return self._hashes[sha256]

    def get(self, sha256: str) -> bytes | None:
        """Return the content with a sha256, if a client has written it."""
        with self._lock:
            for folder in reversed(self._written):
                for shard in folder.rglob("shards/*.mdb"):
                    if found := dict(_files(shard.read_bytes())).get(sha256):
                        self._hashes[sha256] = found[0]
                        return self._read(folder, *found)
        return None

    def _read(self, folder: Path, xet_hash: str, size: int) -> bytes:
        copy = self._new("g-")
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        with SESSION.new_file_download_group(endpoint=f"local://{copy}") as group:
            group.start_download_file(hf_xet.XetFileInfo(xet_hash, size), str(copy / "content"))
        return (copy / "content").read_bytes()

    def _new(self, prefix: str) -> Path:
        return Path(mkdtemp(prefix=prefix, dir=self._folder.name))


def _put(folder: Path, contents: Iterable[bytes]) -> list[str]:
    """Store contents; return their Xet hashes."""
    with SESSION.new_upload_commit(endpoint=f"local://{folder}") as commit:
        files = [commit.start_upload_bytes(content, sha256=hf_xet.COMPUTE_SHA256) for content in contents]
    return [file.result().xet_info.hash for file in files]


def _files(shard: bytes) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield sha256, Xet hash and size of the files in a shard, the index in which clients describe what they brought.

    All records have 48 bytes. After the shard's header each file has a header (hash, flags, number of segments), its
    segments, a check of each, and its sha256; the last file's hash is all ones.
    """
    place = 48
    while shard[place : place + 32] != b"\xff" * 32:
        flags, segments = struct.unpack_from("<II", shard, place + 32)
        sizes = [struct.unpack_from("<I", shard, place + 48 * (1 + index) + 36)[0] for index in range(segments)]
        last = place + 48 * (1 + segments * (2 if flags & 1 << 31 else 1))
        if flags & 1 << 30:
            yield _hexadecimal(shard[last : last + 32]), (_hexadecimal(shard[place : place + 32]), sum(sizes))
            last += 48
        place = last


def _hexadecimal(stored: bytes) -> str:
    """Return a hash as it is written; it is stored as four numbers, their last byte first."""
    return b"".join(stored[start : start + 8][::-1] for start in range(0, 32, 8)).hex()
