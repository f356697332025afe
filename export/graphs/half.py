"""float16: weights and arithmetic at half the size, while the input and outputs stay float32.

onnxruntime's converter is not used, because it leaves nodes in an order that ONNX forbids.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LARGEST = float(np.finfo(np.float16).max)
OPERATORS = frozenset({"Add", "Cast", "MatMul"})
"""Those that it has in addition to the float32 graph's."""


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a float32 graph that computes in float16.

    The inputs and outputs keep their names and types; Cast nodes connect them to the float16 part. Gemm becomes MatMul
    and Add, which compute the same, because tract takes a Gemm's sum for float32 and then refuses the graph.

    Raises:
        ValueError: a weight is too large for float16; the message names its tensor.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    graph = half.graph
    inputs, outputs = ([value.name for value in values] for values in (graph.input, graph.output))
    inner = {name: f"{name}.half" for name in (*inputs, *outputs)}
    del graph.node[:]
    graph.node.extend(_cast(name, inner[name], TensorProto.FLOAT16) for name in inputs)
    for node in model.graph.node:
        renamed = onnx.NodeProto()
        renamed.CopyFrom(node)
        renamed.input[:] = [inner.get(name, name) for name in node.input]
        renamed.output[:] = [inner.get(name, name) for name in node.output]
        graph.node.extend(_product(renamed) if node.op_type == "Gemm" else [renamed])
    graph.node.extend(_cast(inner[name], name, TensorProto.FLOAT) for name in outputs)
    del graph.initializer[:]
    turned = {node.input[1] for node in model.graph.node if node.op_type == "Gemm"}
    graph.initializer.extend(_rounded(tensor, turn=tensor.name in turned) for tensor in model.graph.initializer)
    return half


def _product(gemm: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """Yield what computes a Gemm with transposed weights, given that these are turned round."""
    value, weight, *bias = gemm.input
    (result,) = gemm.output
    if bias:
        product = f"{gemm.name}.product"
        yield helper.make_node("MatMul", [value, weight], [product], product)
        yield helper.make_node("Add", [product, *bias], [result], gemm.name)
    else:
        yield helper.make_node("MatMul", [value, weight], [result], gemm.name)


def _cast(source: str, result: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [result], f"{result}.cast", to=kind)


def _rounded(tensor: onnx.TensorProto, *, turn: bool) -> onnx.TensorProto:
    exact = numpy_helper.to_array(tensor)
    largest = float(np.abs(exact).max(initial=0))
    if largest > LARGEST:
        raise ValueError(f"{tensor.name} holds {largest:.3g}, and float16 ends at {LARGEST:.0f}; leave fp16 out")
    rounded = exact.astype(np.float16)
    return numpy_helper.from_array(np.ascontiguousarray(rounded.T) if turn else rounded, tensor.name)
