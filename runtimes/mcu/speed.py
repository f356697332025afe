"""How long a picture takes in C on this computer, beside ONNX Runtime's int8."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.pairs import Case, paired
from benchmarks.runners import Call, onnx_runtime
from export.c.run import build
from zoo import Preprocessing

FLAGS = ("-O3", "-march=native")
ROUNDS = 400
_LARGEST = 1 << 24
"""More bytes than one of these nets needs."""


def speed(
    sources: Mapping[str, str], name: str, model: bytes, picture: NDArray[np.uint8], preprocessing: Preprocessing
) -> dict[str, Any]:
    """Return the quartiles of the time in C over that of ONNX Runtime, one picture at a time with one thread.

    Only the time that this thread computes counts, so that other processes disturb less.

    Args:
        sources: the C files of the net, as `export.c.source.write_c` returns them.
        name: of the net.
        model: the int8 ONNX graph.
        picture: uint8, (size, size, channels).
        preprocessing: how it becomes the graph's input.
    """
    values = preprocessing.normalize(torch.from_numpy(picture[None]).permute(0, 3, 1, 2)).contiguous().numpy()
    with TemporaryDirectory() as temporary:
        library = build(_without_main(sources), Path(temporary), (*FLAGS, "-shared", "-fPIC"))
        calls = _call(library, name, picture), onnx_runtime(model, values, threads=1)
        return asdict(paired(Case(name, *calls, ROUNDS, time.thread_time)))


def _without_main(sources: Mapping[str, str]) -> dict[str, str]:
    return {file: text for file, text in sources.items() if file != "main.c"}


def _call(library: Path, name: str, picture: NDArray[np.uint8]) -> Call:
    """Return a call of a compiled net."""
    function = getattr(ctypes.CDLL(str(library)), f"{name}_logits")
    function.argtypes = [ctypes.c_void_p] * 3
    given = np.ascontiguousarray(picture)
    logits, scratch = np.empty(_LARGEST, np.int8), np.empty(_LARGEST, np.uint8)
    # The lambda keeps the arrays alive.
    return lambda: function(given.ctypes.data, logits.ctypes.data, scratch.ctypes.data)
