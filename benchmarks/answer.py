"""`python -m benchmarks.answer GRAPH`: open a graph in ONNX Runtime and compute one picture, and nothing else."""

import sys
from pathlib import Path

import numpy as np

from export.runtime.sessions import open_session


def main(path: str, size: int = 224) -> None:
    """Give one answer, with two threads."""
    session = open_session(Path(path), threads=2)
    session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, size, size), np.float32)})


if __name__ == "__main__":
    main(sys.argv[1])
