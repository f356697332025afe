"""tract, a small runtime written in Rust."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtimes.runner import Runner, by_parts

_TYPES = {"float32": "f32", "uint8": "u8"}


def _run(graph: Path, batch: NDArray[Any], output: int) -> NDArray[np.float32]:
    import tract

    model = tract.onnx().load(graph)
    # tract must know the size of the pictures; the batch may stay free, under the name that it has in the graph.
    model.set_input_fact(0, ",".join(["batch", *map(str, batch.shape[1:]), _TYPES[str(batch.dtype)]]))
    runnable = model.into_model().into_runnable()
    return by_parts(lambda part: runnable.run([part])[output].to_numpy(), batch)


RUNNERS = (Runner("tract", "tract", lambda: version("tract"), _run, halves=8),)
