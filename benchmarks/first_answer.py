"""Part `first-answer`: the time from the start of a `diracnet predict` process to its first answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.pairs import Case, all_paired
from export import export_bundle
from zoo.reference import open_model

PICTURE = Path("docs/cat.jpg")
IMPORTS = "import numpy, onnxruntime, PIL.Image"


def measure(tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the ratio by name."""
    with first_answer() as case:
        return {"ratios": all_paired([case], tell)}


@contextmanager
def first_answer() -> Iterator[Case]:
    """Yield the case of the 16-layer net: `diracnet predict` versus a process that only imports what it needs."""
    with TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        export_bundle(open_model("diracnet16_cifar:cifar10")[0], bundle)
        yield Case(
            "first answer of a process, 16-layer net: diracnet predict / only importing numpy, onnxruntime and Pillow",
            lambda: _python("-m", "export", "predict", str(bundle), str(PICTURE)),
            lambda: _python("-c", IMPORTS),
            rounds=20,
        )


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)  # noqa: S603
