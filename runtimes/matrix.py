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

from export.layout import GRAPH, GRAPHS, OUTPUT
from export.runtime import Classifier
from export.runtime.sessions import open_session
from runtimes import exported, litert_cpu, ncnn_cpu, node, opencv_cpu, openvino_cpu, plain_c, tract_cpu
from runtimes.runner import Reader, Runner, Runtime, by_parts

RUNNERS: tuple[Runner, ...] = (*openvino_cpu.RUNNERS, *opencv_cpu.RUNNERS, *tract_cpu.RUNNERS, *node.RUNNERS)
READERS: tuple[Reader, ...] = (*plain_c.READERS, *litert_cpu.READERS, *ncnn_cpu.READERS, *exported.READERS)


def versions(runtimes: Sequence[Runtime] = (*RUNNERS, *READERS)) -> tuple[dict[str, str], dict[str, str]]:
    """Return the version of each runtime that is installed, ONNX Runtime's first, and what installs the others."""
    found = {runtime.name: _version(runtime) for runtime in runtimes}
    installed = {name: number for name, number in found.items() if number is not None}
    missing = {runtime.name: runtime.package for runtime in runtimes if found[runtime.name] is None}
    return {"ONNX Runtime": version("onnxruntime"), **installed}, missing


def _version(runtime: Runtime) -> str | None:
    try:
        return runtime.version()
    except (ModuleNotFoundError, FileNotFoundError):
        return None


def compare(
    bundle: Path,
    pictures: Sequence[Image.Image],
    runners: Sequence[Runner] = RUNNERS,
    on_cell: Callable[[str], None] = lambda name: None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return graph → runtime → figures, for all graphs of a bundle.

    The figures are `difference`, the largest difference of a logit relative to the largest logit, and `agreement`, the
    share of pictures with the same most probable class; or `error`, if the runtime cannot run the graph; and, if it got
    fewer pictures than there are, `pictures`.

    Args:
        bundle: the folder.
        pictures: the pictures to compare on.
        runners: the runtimes.
        on_cell: told what comes next.
    """
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sorted(bundle.glob("onnx/*.onnx")):
        name = path.relative_to(bundle).as_posix()
        classifier = Classifier(path, threads=1)
        batch = np.stack([classifier.preprocess(picture) for picture in pictures])
        expected = by_parts(classifier.logits, batch)
        outputs = open_session(path).get_outputs()
        position = [output.name for output in outputs].index(OUTPUT)
        table[name] = {}
        for runner in runners:
            on_cell(f"{name} in {runner.name}")
            few = runner.halves if name in (GRAPHS["fp16"].path, GRAPHS["fp16"].pictures) else None
            table[name][runner.name] = _cell(runner, path, batch[:few], position, expected[:few])
            if few is not None and few < len(batch):
                table[name][runner.name]["pictures"] = few
    return table


def compare_files(
    bundle: Path,
    pictures: Sequence[Image.Image],
    readers: Sequence[Reader] = READERS,
    on_cell: Callable[[str], None] = lambda name: None,
) -> dict[str, dict[str, Any]]:
    """Return runtime → figures, for those that take other files of the bundle than ONNX graphs.

    The figures are those of `compare`, against ONNX Runtime on the float32 graph; with `file`, with `same`, the share
    of logits that are the same to the last bit as those of the first runtime of integers, for the others of these; or
    `converted`, words on a model that was made but cannot run on this machine.

    Args:
        bundle: the folder.
        pictures: the pictures to compare on.
        readers: the runtimes.
        on_cell: told what comes next.
    """
    classifier, taking = Classifier(bundle / GRAPH, threads=1), Classifier(bundle / GRAPHS["fp32"].pictures)
    expected = by_parts(classifier.logits, np.stack([classifier.preprocess(picture) for picture in pictures]))
    batch = np.stack([taking.preprocess(picture) for picture in pictures])
    table: dict[str, dict[str, Any]] = {}
    integers: NDArray[np.float32] | None = None
    for reader in readers:
        on_cell(f"{reader.file} in {reader.name}")
        try:
            found = reader.run(bundle, batch)
        except Exception as error:  # each runtime has classes of its own
            table[reader.name] = {"file": reader.file, "error": _brief(error)}
            continue
        if isinstance(found, str):
            table[reader.name] = {"file": reader.file, "converted": found}
            continue
        table[reader.name] = {"file": reader.file, **_figures(found, expected)}
        if reader.integers and integers is not None and found.shape == integers.shape:
            table[reader.name]["same"] = float((found == integers).mean())
        elif reader.integers:
            integers = found
    return table


def _cell(
    runner: Runner, graph: Path, batch: NDArray[Any], position: int, expected: NDArray[np.float32]
) -> dict[str, Any]:
    try:
        found = runner.run(graph, batch, position)
    except Exception as error:  # each runtime has classes of its own
        return {"error": _brief(error)}
    return _figures(found, expected)


def _figures(found: NDArray[np.float32], expected: NDArray[np.float32]) -> dict[str, Any]:
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
