"""The matrix: every graph of a bundle in every runtime, compared with ONNX Runtime on the same graph and input."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export.layout import OUTPUT
from export.runtime import Classifier
from export.runtime.sessions import open_session
from runtimes import node, openvino_cpu, tract_cpu
from runtimes.runner import Runner

RUNNERS: tuple[Runner, ...] = (*openvino_cpu.RUNNERS, *tract_cpu.RUNNERS, *node.RUNNERS)


def versions(runners: Sequence[Runner] = RUNNERS) -> dict[str, str]:
    """Return the version of each runtime, ONNX Runtime's first.

    Raises:
        FileNotFoundError: some are not installed; the message names them and how to install them.
    """
    lacking = [f"{runner.name} ({reason})" for runner in runners if (reason := _lacks(runner))]
    if lacking:
        raise FileNotFoundError(f"missing: {'; '.join(lacking)}")
    return {"ONNX Runtime": version("onnxruntime"), **{runner.name: runner.version() for runner in runners}}


def _lacks(runner: Runner) -> str | None:
    """Return why a runtime cannot be used, or None."""
    try:
        runner.version()
    except ModuleNotFoundError as error:
        return f"no package {error.name}: pip install 'diracnet-zoo[runtimes]' brings it"
    except FileNotFoundError as error:
        return str(error)
    return None


def compare(
    bundle: Path,
    pictures: Sequence[Image.Image],
    runners: Sequence[Runner] = RUNNERS,
    on_cell: Callable[[str], None] = lambda name: None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return graph → runtime → figures, for all graphs of a bundle.

    The figures are `difference`, the largest difference of a logit relative to the largest logit, and `agreement`, the
    share of pictures with the same most probable class; or `error`, if the runtime cannot run the graph.

    Args:
        bundle: the folder.
        pictures: the pictures to compare on.
        runners: the runtimes.
        on_cell: told what comes next.
    """
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sorted(bundle.glob("onnx/*.onnx")):
        name = path.relative_to(bundle).as_posix()
        classifier = Classifier(path)
        batch = np.stack([classifier.preprocess(picture) for picture in pictures])
        expected = classifier.logits(batch)
        outputs = open_session(path).get_outputs()
        position = [output.name for output in outputs].index(OUTPUT)
        table[name] = {}
        for runner in runners:
            on_cell(f"{name} in {runner.name}")
            table[name][runner.name] = _cell(runner, path, batch, position, expected)
    return table


def _cell(
    runner: Runner, graph: Path, batch: NDArray[Any], position: int, expected: NDArray[np.float32]
) -> dict[str, Any]:
    try:
        found = runner.run(graph, batch, position)
    except Exception as error:  # each runtime has classes of its own
        return {"error": _brief(error)}
    if found.shape != expected.shape:
        return {"error": f"gives logits of shape {found.shape}, not {expected.shape}"}
    if not np.isfinite(found).all():
        return {"error": "gives logits that are not finite"}
    return {
        "difference": float(np.abs(found - expected).max() / np.abs(expected).max()),
        "agreement": float((found.argmax(axis=1) == expected.argmax(axis=1)).mean()),
    }


def _brief(error: Exception) -> str:
    """Return an error shortened to fit a table, without the folders of this machine."""
    message = str(error).partition("Stack backtrace")[0] or type(error).__name__
    return re.sub(r"(?<!\w)/\S*/", "", " ".join(message.split()))[:200]
