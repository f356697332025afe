"""Proof of one ONNX file: it is valid, has no operator that it should not have, and computes what PyTorch computes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from export.folding.chain import feature_sources, leaves, record_outputs
from export.graphs.emit import OPERATORS
from export.int8.record import Quantization
from export.int8.reference import evaluate_integers
from export.proof.check import Check
from export.proof.error import largest_error, relative_error
from export.runtime.sessions import open_session

VALID = "faults found by ONNX's checker, shape inference and runtimes"
FOREIGN = "operators that it has no use for"
RANGE = "largest value inside, as a share of what it can hold"
REFERENCE_PIXELS = 10_000
"""Above this many in a batch ONNX's reference evaluator, a program in Python, is left out."""
_OPTIMISED = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
_AS_IT_IS = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


@dataclass(frozen=True)
class Case:
    """One batch to compare on.

    Args:
        name: what is compared, for people; such as "1×32×32".
        batch: the net's input in PyTorch.
        feed: the same as the graph takes it.
        expected: the logits and then each feature, as they should be.
        source: where these are from, for people.
        limit: on the difference, where it is not the graph's tolerance.
    """

    name: str
    batch: Tensor
    feed: NDArray[Any]
    expected: Sequence[NDArray[Any]]
    source: str = "PyTorch"
    limit: float | None = None


@dataclass(frozen=True)
class Arithmetic:
    """The reference arithmetic of a graph: what each of its layers should compute.

    Args:
        net: the folded net.
        outputs: gives the outputs of these of its leaves for a batch.
        gains: by which the graph's layers are larger than those, per channel, where they are.
    """

    net: nn.Sequential
    outputs: Callable[[set[str], Tensor], Mapping[str, Tensor]]
    gains: Mapping[str, Tensor] = field(default_factory=dict)

    def results(self, batch: Tensor, features: Collection[str] = ()) -> list[NDArray[Any]]:
        """Return the logits of a batch and then each feature."""
        last = [name for name, _ in leaves(self.net)][-1]
        names = [last, *feature_sources(self.net, features).values()]
        outputs = self.outputs(set(names), batch)
        return [outputs[name].numpy() for name in names]


def floating(net: nn.Sequential) -> Arithmetic:
    """Return the arithmetic of a folded net in PyTorch."""
    return Arithmetic(net, lambda names, batch: record_outputs(net, names, batch))


def integral(net: nn.Sequential, record: Quantization) -> Arithmetic:
    """Return the arithmetic of a folded net in int8."""
    gains = {name: torch.from_numpy(layer.gain) for name, layer in record.layers.items()}
    return Arithmetic(net, lambda names, batch: evaluate_integers(net, record, batch), gains)


def check_graph(
    path: Path,
    title: str,
    tolerance: float,
    operators: Collection[str],
    arithmetic: Arithmetic,
    cases: Sequence[Case],
) -> Iterator[Check]:
    """Yield the checks of a graph; where it is not even valid, that one alone.

    Args:
        path: its file.
        title: what to call it in the checks' names.
        tolerance: limit on the difference of its outputs from what they should be, relative to the largest.
        operators: that it may have in addition to those of the float32 graph.
        arithmetic: what its layers should compute.
        cases: to compare on.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)  # with strict shape inference
        runtimes = {
            "ONNX Runtime": _session(path, _OPTIMISED),
            "ONNX Runtime, not optimised": _session(path, _AS_IT_IS),
            "reference evaluator": ReferenceEvaluator(model),
        }
    # The errors of onnx and onnxruntime have no common class but Exception.
    except Exception as error:
        yield Check(f"{title}: {VALID}", 1, 0, str(error))
        return
    yield Check(f"{title}: {VALID}", 0, 0)
    foreign = sorted({node.op_type for node in model.graph.node} - OPERATORS - set(operators))
    yield Check(f"{title}: {FOREIGN}", len(foreign), 0, ", ".join(foreign))
    for name, runtime in runtimes.items():
        for case in cases:
            pixels = case.batch.shape[0] * case.batch.shape[2] * case.batch.shape[3]
            if isinstance(runtime, ReferenceEvaluator) and pixels > REFERENCE_PIXELS:
                continue
            found = cast(Any, runtime).run(None, {model.graph.input[0].name: case.feed})
            figure = relative_error(case.expected, found)
            limit = tolerance if case.limit is None else case.limit
            note = "" if figure <= limit else _first_wrong_layer(model, arithmetic, case, limit)
            yield Check(f"{title}: {case.source} / {name}", figure, limit, note, case.name)


def check_range(title: str, limit: float, net: nn.Sequential, batch: Tensor) -> Check:
    """Return the check that no layer's output exceeds what a format can hold; runtimes that use float32 hide it."""
    outputs = record_outputs(net, {name for name, _ in leaves(net)}, batch)
    layer, value = max(((name, o.abs().max().item()) for name, o in outputs.items()), key=lambda pair: pair[1])
    return Check(f"{title}: {RANGE}", value / limit, 1, f"layer {layer}")


def _session(model: Path | bytes, level: onnxruntime.GraphOptimizationLevel) -> onnxruntime.InferenceSession:
    # Threads that spin while they wait would slow down PyTorch's, which compute in turn with these.
    return open_session(model, spinning=False, graph_optimization_level=level)


def _first_wrong_layer(model: onnx.ModelProto, arithmetic: Arithmetic, case: Case, tolerance: float) -> str:
    """Name the first convolution or linear layer whose output is not what it must come to."""
    there = dict(leaves(arithmetic.net)).keys()
    results = {node.name: node.output[0] for node in model.graph.node if node.op_type in ("Conv", "Gemm")}
    if not results.keys() <= there:
        return f"it has layers that the net has not: {', '.join(sorted(results.keys() - there))}"
    expected = arithmetic.outputs(set(results), case.batch)
    revealing = onnx.ModelProto()
    revealing.CopyFrom(model)
    del revealing.graph.output[:]
    revealing.graph.output.extend(onnx.ValueInfoProto(name=value) for value in results.values())
    session = _session(revealing.SerializeToString(), _AS_IT_IS)
    found = session.run(None, {model.graph.input[0].name: case.feed})
    for name, output in zip(results, found, strict=True):
        gain = arithmetic.gains.get(name, torch.ones(1)).reshape(1, -1, *[1] * (output.ndim - 2))
        if not largest_error((expected[name] * gain).numpy(), output.astype(np.float32)) <= tolerance:
            return f"first wrong layer {name}"
    return ""
