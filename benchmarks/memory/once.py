"""One measurement, in a process of its own: the memory that the activations of a call take at their peak.

`python -m benchmarks.memory.once MODEL BATCH SIZE SMALL [arena]` prints it in MiB. The model has run once on a
picture of SMALL × SMALL pixels before, so that weights, code and threads are in memory already. For Linux.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

THREADS = 2


def peak(model: Path, batch: int, size: int, small: int, *, arena: bool) -> float:
    """Return by how many MiB a call makes this process grow at its peak; what it is given is there before.

    Args:
        model: an .onnx file, or a .tflite file.
        batch: how many pictures.
        size: of them, in pixels.
        small: of the picture that the model sees before.
        arena: whether ONNX Runtime keeps memory in its arena, as it does by default.
    """
    call = (_litert if model.suffix == ".tflite" else _onnx)(model, arena)
    call(_pictures(1, small))
    given = _pictures(batch, size)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the highest mark starts again
    before = _status("VmRSS")
    call(given)
    return (_status("VmHWM") - before) / 1024


def _pictures(batch: int, size: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((batch, 3, size, size), dtype=np.float32)


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{key}:")))


def _onnx(model: Path, arena: bool) -> Callable[[NDArray[Any]], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena, options.intra_op_num_threads = arena, THREADS
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})


def _litert(model: Path, _: object) -> Callable[[NDArray[Any]], object]:
    from export.litert.interpreter import Interpreter

    interpreter = Interpreter(model, threads=THREADS)
    return lambda batch: interpreter.run(batch.transpose(0, 2, 3, 1))


if __name__ == "__main__":
    path, *numbers = sys.argv[1:5]
    count, width, first = map(int, numbers)
    sys.stdout.write(f"{peak(Path(path), count, width, first, arena='arena' in sys.argv[5:])}\n")
