"""OpenVINO on the processor, in float32 and in the precision it chooses by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtimes.runner import Runner, by_parts

DEFAULT = "OpenVINO, as it comes"
"""The name of OpenVINO in the precision it chooses by itself."""
FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}
_THREADS = {"INFERENCE_NUM_THREADS": "1"}


def _run(settings: Mapping[str, str]) -> Callable[[Path, NDArray[Any], int], NDArray[np.float32]]:
    def run(graph: Path, batch: NDArray[Any], output: int) -> NDArray[np.float32]:
        import openvino

        compiled = openvino.Core().compile_model(graph, "CPU", {**settings, **_THREADS})
        return by_parts(lambda part: compiled([part])[output], batch)

    return run


RUNNERS = (
    Runner("OpenVINO, float32", "openvino", lambda: version("openvino"), _run(FLOAT32)),
    Runner(DEFAULT, "openvino", lambda: version("openvino"), _run({})),
)
