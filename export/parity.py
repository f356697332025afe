"""Proof that the files of a bundle compute what their source computes. Everything is read back from the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from torch import nn

from export.folding import fold, layer_errors
from export.layout import FOLDED, GRAPH, INPUT, TRAINING_FORM
from export.onnx_graph import OPERATORS
from zoo import Checkpoint, Spec

FOLD_FLOAT64 = 1e-10
FOLD_FLOAT32 = 1e-5
RUNTIME = 1e-4
"""Limits on the largest difference of the logits, relative to the largest logit."""

VALID = "faults found by ONNX's checker, shape inference and runtimes"
SEED = 0
BATCHES = (1, 3)


@dataclass(frozen=True)
class Check:
    """One comparison: `figure` must not exceed `limit`."""

    name: str
    figure: float
    limit: float
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the figure is within the limit; a figure that is no number is not."""
        return self.figure <= self.limit


class VerificationError(RuntimeError):
    """A file of a bundle does not compute what its source computes."""

    exit_status = 1  # of the command line: the call was right, the files were not


def require(checks: Sequence[Check]) -> None:
    """Raise VerificationError, naming each that did not, unless all checks passed."""
    failed = [check for check in checks if not check.passed]
    if failed:
        lines = "; ".join(f"{c.name}: {c.figure:.3g} exceeds {c.limit:.3g} {c.note}".rstrip() for c in failed)
        raise VerificationError(f"failed: {lines}")


def check_sizes(spec: Spec, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the heights and widths that a net is checked at: its own, and an odd, oblong one."""
    return (size, size), (2 * spec.min_size + 7, 3 * spec.min_size + 10)


def verify(folder: Path) -> Iterator[Check]:
    """Yield the checks of a bundle's folded net and graph, and of its training form if it has one."""
    folded = Checkpoint.load(folder / FOLDED)
    if folded.preprocessing is None:
        raise ValueError(
            f"{folder / FOLDED} does not say how large its pictures are; its metadata lack 'preprocessing'"
        )
    net = cast(nn.Sequential, folded.model())
    sizes = check_sizes(folded.spec, folded.preprocessing.size)
    source = folder / TRAINING_FORM
    if source.is_file():
        yield from check_fold(Checkpoint.load(source), folded, sizes[1])
    yield from _check_graph(folder / GRAPH, net, folded.spec, sizes)


def check_fold(source: Checkpoint, folded: Checkpoint, size: tuple[int, int]) -> Iterator[Check]:
    """Yield two checks against the training form: of the algorithm in float64, and of the folded file."""
    exact = source.model().double()
    batch_input = torch.from_numpy(_input(source.spec, BATCHES[-1], size)).double()
    with torch.inference_mode():
        expected = exact(batch_input).numpy()
    for name, candidate, limit in (
        ("training form / folded, float64", fold(exact), FOLD_FLOAT64),
        ("training form in float64 / folded file", folded.model().double(), FOLD_FLOAT32),
    ):
        with torch.inference_mode():
            error = _error(expected, candidate(batch_input).numpy())
        worst = max(layer_errors(exact, candidate, batch_input), key=lambda layer: layer.error)
        yield Check(name, error, limit, f"worst layer {worst.layer}, {worst.error:.1e}")


def _check_graph(path: Path, net: nn.Sequential, spec: Spec, sizes: tuple[tuple[int, int], ...]) -> Iterator[Check]:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        runtimes = {
            "ONNX Runtime": _session(path, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL),
            "ONNX Runtime, not optimised": _session(path, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL),
            "reference evaluator": ReferenceEvaluator(model),
        }
    # The errors of onnx and onnxruntime have no common class but Exception.
    except Exception as error:
        yield Check(VALID, 1, 0, str(error))
        return
    yield Check(VALID, 0, 0)
    foreign = sorted({node.op_type for node in model.graph.node} - OPERATORS)
    yield Check("operators that a folded net has no use for", len(foreign), 0, ", ".join(foreign))
    for height, width in sizes:
        for batch in BATCHES:
            batch_input = _input(spec, batch, (height, width))
            with torch.inference_mode():
                expected = net(torch.from_numpy(batch_input)).numpy()
            for name, runtime in runtimes.items():
                found = cast(Any, runtime).run(None, {INPUT: batch_input})[0]
                yield Check(f"PyTorch / {name}, {batch}×{height}×{width}", _error(expected, found), RUNTIME)


def _session(path: Path, level: onnxruntime.GraphOptimizationLevel) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _input(spec: Spec, batch: int, size: tuple[int, int]) -> NDArray[np.float32]:
    generator = np.random.default_rng([SEED, batch, *size])
    return generator.standard_normal((batch, spec.in_channels, *size), dtype=np.float32)


def _error(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Largest difference relative to the largest value; infinite where shapes differ or a value is not finite."""
    if expected.shape != found.shape or not (np.isfinite(expected).all() and np.isfinite(found).all()):
        return float("inf")
    return float(np.abs(expected - found).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny))
