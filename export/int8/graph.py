"""The int8 form: the float32 graph with its weights as int8, and every value between its layers on a grid of uint8.

Written as QuantizeLinear and DequantizeLinear around float operators (QDQ), which any runtime can compute and which
those with int8 arithmetic fuse into it: in ONNX Runtime no float operator remains between input and logits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.int8.record import Quantization
from export.layout import INPUT

_NCRELU = ("Relu", "Neg", "Relu", "Concat")


def quantize(model: onnx.ModelProto, record: Quantization) -> onnx.ModelProto:
    """Return the int8 form of a float32 graph.

    Input and outputs keep their names and types. A ReLU behind a grid that holds no negative number is left out; it
    would change nothing. (max(x, 0), max(-x, 0)) becomes (x, max(x, 0)), which needs no second grid; the record's
    kernels are for that. Its max(x, 0) is a LeakyRelu of slope 0, because that is what ONNX Runtime computes in int8.

    Raises:
        ValueError: the record lacks a layer or a grid of the graph, or holds one of another shape; it is named.
    """
    quantized = onnx.ModelProto()
    quantized.CopyFrom(model)
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    writer = _Writer(record, {value.name for value in model.graph.output})
    writer.put_on_grid(INPUT, INPUT, INPUT)
    nodes = list(model.graph.node)
    while nodes:
        if tuple(node.op_type for node in nodes[:4]) == _NCRELU:
            writer.ncrelu(nodes[0].input[0], nodes[3])
            del nodes[:4]
            continue
        node = nodes.pop(0)
        if node.op_type in ("Conv", "Gemm"):
            writer.layer(node, weights[node.input[1]])
        else:
            writer.other(node)
    del quantized.graph.node[:], quantized.graph.initializer[:]
    quantized.graph.node.extend(writer.nodes)
    quantized.graph.initializer.extend(writer.tensors.values())
    return quantized


class _Writer:
    """Collects nodes and tensors; knows for each value of the float32 graph what takes its place."""

    def __init__(self, record: Quantization, outputs: set[str]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}
        self._record, self._outputs = record, outputs
        self._values: dict[str, str] = {}
        self._grids: dict[str, str] = {}
        self._gain = np.ones(1, np.float32)

    def put_on_grid(self, value: str, result: str, grid: str) -> None:
        """Write `result` to a grid, and let it stand for a value of the float32 graph."""
        if grid not in self._record.grids:
            raise ValueError(f"the quantization has no grid for what {grid} computes; it is that of another net")
        scale = self._tensor(f"{grid}.step", np.float32(self._record.grids[grid].scale))
        zero_point = self._tensor(f"{grid}.zero_point", np.uint8(self._record.grids[grid].zero_point))
        codes = f"{result}.codes"
        self._node("QuantizeLinear", [result, scale, zero_point], codes)
        self._node("DequantizeLinear", [codes, scale, zero_point], f"{result}.values")
        self._values[value], self._grids[value] = f"{result}.values", grid

    def layer(self, node: onnx.NodeProto, shape: tuple[int, ...]) -> None:
        """Write a Conv or Gemm with its weights."""
        layer = self._record.layers.get(node.name)
        if layer is None or layer.weight.shape != shape:
            raise ValueError(
                f"the quantization has no weights of shape {shape} for {node.name}; it is that of another net"
            )
        inputs = [self._values[node.input[0]]]
        step = np.float32(self._record.grids[self._grids[node.input[0]]].scale)
        for part, codes, scale in (("weight", layer.weight, layer.scale), ("bias", layer.bias, layer.scale * step)):
            name = f"{node.name}.{part}"
            constants = (codes, scale, np.zeros_like(codes, shape=len(codes)))
            parts = (name, f"{name}.step", f"{name}.zero_point")
            tensors = [self._tensor(part, constant) for part, constant in zip(parts, constants, strict=True)]
            inputs.append(f"{name}.values")
            self._node("DequantizeLinear", tensors, inputs[-1], axis=0)
        self._gain = layer.gain
        result = self._copy(node, inputs)
        if node.op_type == "Conv":
            self.put_on_grid(node.output[0], result, node.name)

    def ncrelu(self, source: str, concat: onnx.NodeProto) -> None:
        """Write an NCReLU, in the place of four nodes of which the last is the Concat."""
        value, grid, result = self._values[source], self._grids[source], concat.output[0]
        positive = f"{concat.name}.positive"
        self._node("LeakyRelu", [value], positive, alpha=0.0)
        self.put_on_grid(positive, positive, grid)
        self._node("Concat", [value, self._values[positive]], result, axis=1)
        self.put_on_grid(result, result, grid)

    def other(self, node: onnx.NodeProto) -> None:
        """Write a Relu, a pool or a Flatten."""
        source, result = node.input[0], node.output[0]
        grid = self._grids[source]
        if node.op_type == "Relu" and self._record.grids[grid].zero_point == 0 and result not in self._outputs:
            self._values[result], self._grids[result] = self._values[source], grid
            return
        written = self._copy(node, [self._values[source]])
        self.put_on_grid(result, written, node.name if node.op_type == "GlobalAveragePool" else grid)

    def _copy(self, node: onnx.NodeProto, inputs: list[str]) -> str:
        """Write a node of the float32 graph; return the name of its result, which in an output has other units."""
        copy, output = onnx.NodeProto(), str(node.output[0])
        copy.CopyFrom(node)
        copy.input[:] = inputs
        self.nodes.append(copy)
        if output not in self._outputs or node.op_type == "Gemm":
            return output
        copy.output[:] = [f"{output}.scaled"]
        shape = (1, -1) if node.op_type == "Flatten" else (1, -1, 1, 1)
        gain = self._tensor(f"{output}.gain", (1 / self._gain).reshape(shape))
        self.nodes.append(helper.make_node("Mul", [copy.output[0], gain], [output], f"{output}.gain"))
        return str(copy.output[0])

    def _node(self, operator: str, inputs: list[str], result: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, inputs, [result], result, **attributes))

    def _tensor(self, name: str, array: NDArray[np.generic] | np.generic) -> str:
        self.tensors[name] = numpy_helper.from_array(np.asarray(array), name)
        return name
