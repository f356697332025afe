"""The process's heap while a net trains on a processor."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""Numbers of glibc's parameters, from malloc.h."""
_ADAPTED = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}
"""Where glibc's own parameters end once a program has freed large blocks; it adapts them no more once they were set."""


@contextmanager
def kept_heap(device: torch.device) -> Iterator[None]:
    """Let the process keep the memory that it frees, for as long as the context lasts.

    Each step of a training allocates and frees the same large tensors. glibc returns such blocks to the system and asks
    for them again, and the system has to clear each page before it hands it out, which takes part of the step of a wide
    net (docs/benchmarks.md). Kept, they take more memory, because freed blocks are reused only in part. Other devices
    keep memory by themselves, and other C libraries are left alone. The contexts must not be nested.

    Source: mallopt(3), M_MMAP_MAX and M_TRIM_THRESHOLD. Example: `with kept_heap(torch.device("cpu")): train_step()`.

    Args:
        device: where the net trains.
    """
    glibc = _glibc() if device.type == "cpu" else None
    if glibc is None:
        yield
        return
    for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1)):
        glibc.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _ADAPTED.items():
            glibc.mallopt(parameter, value)
        glibc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the process's C library if it is glibc, which alone has both functions, and None otherwise."""
    try:
        library = ctypes.CDLL(None)
    except TypeError:  # Windows names no library of the process
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
