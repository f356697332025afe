"""Proof of one LiteRT model: it loads, has only the operators that it may have, and computes what it should."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.litert.interpreter import KERNELS, Interpreter
from export.proof.check import Check
from export.proof.error import relative_error

VALID = "faults found by LiteRT"
FOREIGN = "operators that it has no use for"
OPERATORS = frozenset(
    {"CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "MEAN", "PAD", "PADV2", "RELU", "RESHAPE"}
)
DELEGATED = frozenset({"DELEGATE"})
"""What LiteRT shows in place of operators that it hands on."""
REFERENCE_PIXELS = 10_000
"""Batches with more pixels than this skip the reference kernels where the fast ones prove the same."""


@dataclass(frozen=True)
class ModelCase:
    """One batch to compare logits on.

    Args:
        name: the batch as reports call it, such as "1×32×32".
        feed: the batch as the model takes it, (batch, height, width, channels).
        expected: the logits, as float numbers.
        source: where they come from, as reports call it.
        limits: for each of LiteRT's kernels the limit on the difference, relative to the largest logit.
        whole: whether the reference kernels see it even if it is large.
    """

    name: str
    feed: NDArray[Any]
    expected: NDArray[Any]
    source: str
    limits: dict[str, float]
    whole: bool = False


def check_model(path: Path, title: str, cases: Sequence[ModelCase], operators: Collection[str]) -> Iterator[Check]:
    """Yield the checks of a model; if LiteRT cannot read it, only that check.

    Args:
        path: the model's file.
        title: what to call it in the names of the checks.
        cases: the batches to compare on.
        operators: those that it may have.

    Raises:
        ModuleNotFoundError: ai-edge-litert is not installed.
    """
    try:
        interpreters = {kernels: Interpreter(path, kernels) for kernels in KERNELS}
    except (ValueError, RuntimeError, OSError) as error:
        yield Check(f"{title}: {VALID}", 1, 0, str(error))
        return
    yield Check(f"{title}: {VALID}", 0, 0)
    foreign = sorted(interpreters["reference"].operators - set(operators) - DELEGATED)
    yield Check(f"{title}: {FOREIGN}", len(foreign), 0, ", ".join(foreign))
    for kernels, interpreter in interpreters.items():
        for case in cases:
            if kernels == "reference" and case.feed[..., 0].size > REFERENCE_PIXELS and not case.whole:
                continue
            name = f"{title}: {case.source} / LiteRT, {kernels} kernels"
            try:
                logits = dequantized(interpreter, interpreter.run(case.feed))
                figure, note = relative_error([case.expected], [logits]), ""
            except (ValueError, RuntimeError) as error:
                figure, note = math.inf, str(error)
            yield Check(name, figure, case.limits[kernels], note, case.name)


def dequantized(interpreter: Interpreter, logits: NDArray[Any]) -> NDArray[np.float32]:
    """Return a model's logits as float numbers, whatever they are in."""
    scale, zero_point = interpreter.output["quantization"]
    numbers: NDArray[np.float32] = (logits.astype(np.float32) - np.float32(zero_point)) * np.float32(scale or 1)
    return numbers
