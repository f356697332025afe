"""LiteRT and TensorFlow Lite Micro, which read the bundle's LiteRT models."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.formats.format import Format
from export.formats.litert import LiteRTFormat
from export.formats.table import FORMATS
from export.layout import LITERT, LITERT_INT8
from export.litert.interpreter import Interpreter
from export.proof.litert import dequantized
from runtimes.mcu.micro import run_micro
from runtimes.runner import Reader, by_parts

LITERT_PACKAGE, MICRO = "ai-edge-litert", "tflite-micro"


def _lite(form: Format, kernels: str) -> Callable[[Path, NDArray[np.uint8]], NDArray[np.float32]]:
    def run(bundle: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert isinstance(form, LiteRTFormat)  # noqa: S101 (for mypy)
        interpreter = Interpreter(bundle / form.path, kernels)
        return by_parts(lambda part: dequantized(interpreter, interpreter.run(form.feed(part))), pictures)

    return run


def _micro(form: Format) -> Callable[[Path, NDArray[np.uint8]], NDArray[np.float32]]:
    def run(bundle: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert isinstance(form, LiteRTFormat)  # noqa: S101 (for mypy)
        described = Interpreter(bundle / form.path)  # TFLM's own door does not say in which numbers the logits are
        logits: NDArray[Any] = run_micro(bundle / form.path, form.feed(pictures))[0]
        return dequantized(described, logits)

    return run


_FLOAT, _INTEGER = FORMATS["litert"], FORMATS["litert-int8"]
READERS = (
    Reader("LiteRT", LITERT_PACKAGE, lambda: version(LITERT_PACKAGE), LITERT, _lite(_FLOAT, "default")),
    Reader("TFLM", MICRO, lambda: version(MICRO), LITERT, _micro(_FLOAT)),
    Reader("LiteRT, int8", LITERT_PACKAGE, lambda: version(LITERT_PACKAGE), LITERT_INT8, _lite(_INTEGER, "default")),
    Reader(
        "LiteRT, int8, reference kernels",
        LITERT_PACKAGE,
        lambda: version(LITERT_PACKAGE),
        LITERT_INT8,
        _lite(_INTEGER, "reference"),
        integers=True,
    ),
    Reader("TFLM, int8", MICRO, lambda: version(MICRO), LITERT_INT8, _micro(_INTEGER), integers=True),
)
