"""Proof of one ONNX file: it is valid, has only the operators that it may have, and computes what it should."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
"""Batches with more pixels than this skip ONNX's reference evaluator, which is slow because it is written in Python."""
_OPTIMISED = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
_AS_IT_IS = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


@dataclass(frozen=True)
class Case:
    """One batch to compare outputs on.

    Args:
        name: the batch as reports call it, such as "1×32×32".
        batch: the net's input in PyTorch.
        feed: the same input as the graph takes it.
        expected: the expected logits, followed by each expected feature.
        limit: limit on the difference between a graph's outputs and the expected ones, relative to the largest.
        source: where the expected outputs come from, as reports call it.
        smallest: what logits are compared to at least; see `export.proof.error.relative_error`.
    """

    name: str
    batch: Tensor
    feed: NDArray[Any]
    expected: Sequence[NDArray[Any]]
    limit: float
    source: str = "PyTorch"
    smallest: float = 0.0


@dataclass(frozen=True)
class Arithmetic:
    """The reference arithmetic of a graph: what each of its layers should compute.

    Args:
        net: the folded net.
        outputs: maps the names of some of its leaves, and a batch, to the outputs of those leaves.
        gains: for each layer that the graph scales, the factors by which its channels are larger than in the net.
    """

    net: nn.Sequential
    outputs: Callable[[set[str], Tensor], Mapping[str, Tensor]]
    gains: Mapping[str, Tensor] = field(default_factory=dict)

    def results(self, batch: Tensor, features: Collection[str] = ()) -> list[NDArray[Any]]:
        """Return the logits of a batch, followed by each feature."""
        last = [name for name, _ in leaves(self.net)][-1]
        names = [last, *feature_sources(self.net, features).values()]
        outputs = self.outputs(set(names), batch)
        return [outputs[name].numpy() for name in names]


def floating(net: nn.Sequential) -> Arithmetic:
    """Return the floating-point arithmetic of a folded net, computed by PyTorch."""
    return Arithmetic(net, lambda names, batch: record_outputs(net, names, batch))


def integral(net: nn.Sequential, record: Quantization) -> Arithmetic:
    """Return the int8 arithmetic of a folded net, as its quantization record defines it."""
    gains = {name: torch.from_numpy(layer.gain) for name, layer in record.layers.items()}
    return Arithmetic(net, lambda names, batch: evaluate_integers(net, record, batch), gains)


def check_graph(
    path: Path,
    title: str,
    operators: Collection[str],
    arithmetic: Arithmetic,
    cases: Sequence[Case],
) -> Iterator[Check]:
    """Yield the checks of a graph; if it is not even valid, only that check.

    Args:
        path: the graph's file.
        title: what to call the graph in the names of the checks.
        operators: operators that it may have in addition to those of the float32 graph.
        arithmetic: what its layers should compute.
        cases: the batches to compare on.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)  # includes strict shape inference
        foreign = sorted({node.op_type for node in model.graph.node} - OPERATORS - set(operators))
        runtimes: dict[str, Any] = {}
        if not foreign:  # others may loop for ever, or ask for any amount of memory
            runtimes = {
                "ONNX Runtime": _session(path, _OPTIMISED),
                "ONNX Runtime, not optimised": _session(path, _AS_IT_IS),
                "reference evaluator": ReferenceEvaluator(model),
            }
    # The errors of onnx and onnxruntime share no base class but Exception.
    except Exception as error:
        yield Check(f"{title}: {VALID}", 1, 0, str(error))
        return
    yield Check(f"{title}: {VALID}", 0, 0)
    yield Check(f"{title}: {FOREIGN}", len(foreign), 0, ", ".join(foreign))
    for name, runtime in runtimes.items():
        for case in cases:
            pixels = case.batch.shape[0] * case.batch.shape[2] * case.batch.shape[3]
            if isinstance(runtime, ReferenceEvaluator) and pixels > REFERENCE_PIXELS:
                continue
            try:
                found = runtime.run(None, {model.graph.input[0].name: case.feed})
            except Exception as error:  # such as for an input of another size
                yield Check(f"{title}: {case.source} / {name}", math.inf, case.limit, str(error), case.name)
                continue
            figure = relative_error(case.expected, found, case.smallest)
            note = "" if figure <= case.limit else _first_wrong_layer(model, arithmetic, case)
            yield Check(f"{title}: {case.source} / {name}", figure, case.limit, note, case.name)


def check_range(title: str, limit: float, net: nn.Sequential, batch: Tensor) -> Check:
    """Check that no layer's output exceeds what a format can hold; runtimes that compute in float32 would hide it."""
    outputs = record_outputs(net, {name for name, _ in leaves(net)}, batch)
    layer, value = max(((name, o.abs().max().item()) for name, o in outputs.items()), key=lambda pair: pair[1])
    return Check(f"{title}: {RANGE}", value / limit, 1, f"layer {layer}")


def _session(model: Path | bytes, level: onnxruntime.GraphOptimizationLevel) -> onnxruntime.InferenceSession:
    # Threads that spin while waiting would slow down PyTorch's threads, which take turns with them.
    return open_session(model, spinning=False, graph_optimization_level=level)


def _first_wrong_layer(model: onnx.ModelProto, arithmetic: Arithmetic, case: Case) -> str:
    """Name the first convolution or linear layer whose output is wrong, or the layers that the net does not have."""
    there = dict(leaves(arithmetic.net)).keys()
    nodes = model.graph.node
    products = {node.output[0] for node in nodes if node.op_type == "MatMul"}  # a sum follows; both make a Gemm
    layers = [node for node in nodes if node.op_type in ("Conv", "Gemm") or products & set(node.input)]
    results = {node.name: node.output[0] for node in layers}
    if not results.keys() <= there:
        return f"it has layers that the net does not have: {', '.join(sorted(results.keys() - there))}"
    expected = arithmetic.outputs(set(results), case.batch)
    revealing = onnx.ModelProto()
    revealing.CopyFrom(model)
    del revealing.graph.output[:]
    revealing.graph.output.extend(onnx.ValueInfoProto(name=value) for value in results.values())
    session = _session(revealing.SerializeToString(), _AS_IT_IS)
    found = session.run(None, {model.graph.input[0].name: case.feed})
    for name, output in zip(results, found, strict=True):
        gain = arithmetic.gains.get(name, torch.ones(1)).reshape(1, -1, *[1] * (output.ndim - 2))
        if not largest_error((expected[name] * gain).numpy(), output.astype(np.float32)) <= case.limit:
            return f"first wrong layer {name}"
    return ""
