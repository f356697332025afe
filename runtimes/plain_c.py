"""The bundle's C files, compiled for this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.bundle.reader import OpenBundle
from export.c.run import compiler, run_c
from export.formats.c import FOLDER
from export.integer.net import lower
from runtimes.mcu.speed import FLAGS
from runtimes.runner import Reader

NAME = "C"


def _version() -> str:
    found = compiler()
    if found is None:
        raise FileNotFoundError("there is no C compiler (cc, or CC)")
    said = subprocess.run([*found, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return said.stdout.splitlines()[0]


def _run(bundle: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    opened = OpenBundle(bundle)
    net = lower(opened.folded.net, opened.quantization, opened.preprocessing)
    sources = {path.name: path.read_text(encoding="ascii") for path in sorted((bundle / FOLDER).iterdir())}
    return net.dequantized(run_c(sources, opened.name, pictures, FLAGS))


READERS = (Reader(NAME, "a C compiler", _version, f"{FOLDER}/", _run, integers=True),)
