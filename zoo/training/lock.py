"""A lock on a file, held by one process and freed by the operating system when that process ends, however it ends."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        # lockf and not flock: forked workers that outlive a killed process would keep holding a lock of flock.
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_PAUSE = 0.2
"""Seconds between two attempts to get a lock."""
_held: set[Path] = set()
"""The locks held by this process, which the operating system would grant it a second time."""


class LockedError(RuntimeError):
    """Another process, or another thread of this one, holds the lock."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on a file for the length of a block; the file is created, and stays.

    Raises:
        LockedError: the lock is taken.
        OSError: the file system has no locks, or the file cannot be created.
    """
    name = path.resolve()
    if name in _held:
        raise LockedError(f"{path} is locked by this process")
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in _TAKEN:
                raise LockedError(f"{path} is locked by another process") from error
            raise
        _held.add(name)
        try:
            yield
        finally:
            _held.discard(name)
    finally:
        os.close(handle)


@contextmanager
def locked_in_turn(path: Path) -> Iterator[None]:
    """Hold a lock on a file for the length of a block, waiting for it; where the file system has no locks, hold none.

    Raises:
        OSError: the file cannot be created.
    """
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(path))
            except LockedError:
                time.sleep(_PAUSE)
                continue
            except OSError:
                path.touch()  # if this works, it is locks that are lacking
            break
        yield
