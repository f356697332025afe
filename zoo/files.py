"""Writing and checking files: whole or not at all, and known by their sha256."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zoo.schema import MOST_BYTES, DescriptionError, parse_object, reading


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; after the block it replaces `path`, or vanishes if the block failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("r+b") as written:  # Windows syncs only what may be written
            os.fsync(written.fileno())
        # mkstemp makes private files; set the mode that a plain open() would have set.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(out: Path, may_replace: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """Yield a temporary folder next to `out` that becomes `out` if the block succeeds, and vanishes otherwise.

    Args:
        out: the folder.
        may_replace: called with a folder that exists already; raises an error if it must not be replaced. Without it
            none is.

    Raises:
        ValueError: the folder exists already.
    """
    check_new(out, may_replace)
    missing = [parent for parent in out.parents if not parent.exists()]
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        check_new(out, may_replace)  # again: the block may have taken minutes
        _exchange(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in missing:  # innermost first; only those that are still empty
            with suppress(OSError):
                parent.rmdir()


def check_new(out: Path, may_replace: Callable[[Path], None] | None = None) -> None:
    """Raise ValueError if a file or folder exists already; `may_replace` raises unless it may be replaced all the same.

    Example:
        >>> check_new(Path("no/such/file"))
    """
    if not os.path.lexists(out):
        return
    if may_replace is None:
        raise ValueError(f"{out} exists already; remove it, or name another")
    if out.is_symlink():
        raise ValueError(f"{out} is a link, which is not replaced; name what it leads to")
    if out.resolve() in (here := Path.cwd(), *here.parents):
        raise ValueError(f"{out} is the current folder or holds it, so it is not replaced; call this from outside")
    may_replace(out)


def _exchange(new: Path, out: Path) -> None:
    """Rename a folder to `out`; what is there is put aside, and removed only when the new one has taken its place."""
    if not out.exists():
        new.rename(out)
        return
    aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        out.rename(aside / out.name)
        try:
            new.rename(out)
        except OSError:
            (aside / out.name).rename(out)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def json_bytes(value: Any) -> bytes:
    """Return a value as indented JSON with sorted keys: equal values give equal bytes."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON with sorted keys."""
    with replace_file(path) as temporary:
        temporary.write_bytes(json_bytes(value))


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; ValueError if it holds none, or is longer than any that this package writes."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    with reading(str(path)):
        if len(content) > MOST_BYTES:
            raise DescriptionError(f"it is longer than {MOST_BYTES:,} bytes")
        return parse_object(content.decode("utf-8"))


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's bytes."""
    return hash_file(path, hashlib.sha256())


def git_sha1(path: Path) -> str:
    """Return Git's hash of a file's bytes, in hexadecimal."""
    return hash_file(path, hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False))


def hash_file(path: Path, digest: hashlib._Hash) -> str:
    """Return the hexadecimal digest of what it has taken already and a file's bytes."""
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
