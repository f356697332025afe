"""TensorFlow Lite Micro on this computer: its logits, and the memory that its arena needs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

_ARENA = 64 << 20


def run_micro(model: Path, pictures: NDArray[np.int8]) -> tuple[NDArray[np.int8], int]:
    """Return the logits of pictures, int8 (batch, size, size, channels), and the bytes of the arena that were used.

    Raises:
        ModuleNotFoundError: tflite-micro is not installed.
    """
    from tflite_micro.python.tflite_micro.runtime import Interpreter

    interpreter = Interpreter.from_file(str(model), arena_size=_ARENA)
    logits = []
    for picture in pictures:
        interpreter.set_input(picture[None], 0)
        interpreter.invoke()
        logits.append(interpreter.get_output(0)[0].copy())
    with _captured() as said:
        interpreter.print_allocations()
    (found,) = re.findall(r"Arena allocation total (\d+) bytes", "".join(said))
    return np.stack(logits), int(found)


@contextmanager
def _captured() -> Iterator[list[str]]:
    """Collect what C++ code writes to standard error."""
    said: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
