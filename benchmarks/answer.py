"""`python -m benchmarks.answer GRAPH`: open a graph in ONNX Runtime and compute one picture, and nothing else."""

import sys

import numpy as np
import onnxruntime

from export.runtime.sessions import session_options


def main(path: str, size: int = 224) -> None:
    """Give one answer, with two threads."""
    session = onnxruntime.InferenceSession(path, session_options(threads=2), providers=["CPUExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, size, size), np.float32)})


if __name__ == "__main__":
    main(sys.argv[1])
