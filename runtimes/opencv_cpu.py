"""OpenCV's DNN module, which reads ONNX graphs."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtimes.runner import Runner, by_parts

PACKAGE = "opencv-python-headless"


def _run(graph: Path, batch: NDArray[Any], output: int) -> NDArray[np.float32]:
    import cv2

    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromONNX(str(graph))
    name = net.getUnconnectedOutLayersNames()[output]

    def call(part: NDArray[Any]) -> NDArray[np.float32]:
        net.setInput(part)
        logits: NDArray[np.float32] = net.forward(name)
        return logits

    return by_parts(call, batch)


RUNNERS = (Runner("OpenCV", PACKAGE, lambda: version(PACKAGE), _run),)
