"""The int8 graph: the float32 graph with int8 weights, int32 biases and uint8 activations.

Written as QuantizeLinear and DequantizeLinear around float operators (QDQ), which any runtime can compute and which
those with int8 arithmetic fuse into it: in ONNX Runtime no float operator remains between input and logits.

Names in the graph: `X.codes` are the quantized values of X and `X.values` the dequantized ones; `A.step` and
`A.zero_point` are the quantization parameters of the activation A.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.int8 import ncrelu
from export.int8.record import Quantization, bias_scale
from export.layout import INPUT

_NCRELU = ("Relu", "Neg", "Relu", "Concat")
"""The nodes of an NCReLU in the float32 graph, as `export.graphs.emit` writes them."""


def quantize(model: onnx.ModelProto, record: Quantization) -> onnx.ModelProto:
    """Return the int8 form of a float32 graph.

    Input and outputs keep their names and types. A ReLU whose input has a zero point of 0 is left out, because
    quantizing includes it. NCReLUs are rewritten as in `export.int8.ncrelu`, which the record's kernels are made for;
    max(x, 0) is written as a LeakyRelu of slope 0 there, because that is what ONNX Runtime computes in int8.

    Args:
        model: the float32 graph, as `export.emit` returns it; it is not changed.
        record: the quantization of the same net.

    Raises:
        ValueError: the record lacks a layer or an activation of the graph, or a layer has another shape; it is named.

    Example:
        >>> folded = export.fold(zoo.get_model("diracnet16_cifar", "cifar10"))
        >>> record = Quantization.load("checkpoints/diracnet16_cifar/cifar10/onnx/quantization.safetensors")
        >>> onnx.save(quantize(export.emit(folded), record), "int8.onnx")
    """
    quantized = onnx.ModelProto()
    quantized.CopyFrom(model)
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    writer = _Writer(record, {value.name for value in model.graph.output})
    writer.quantize_activation(INPUT, INPUT, INPUT)
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
    """Collects the nodes and tensors of the int8 graph.

    For each value of the float32 graph it knows which dequantized value replaces it, and which activation's
    quantization parameters that one has.
    """

    def __init__(self, record: Quantization, outputs: set[str]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}
        self._record, self._outputs = record, outputs
        self._values: dict[str, str] = {}
        self._activations: dict[str, str] = {}
        self._gain = np.ones(1, np.float32)

    def quantize_activation(self, value: str, result: str, activation: str) -> None:
        """Quantize and dequantize `result`, and let it replace a value of the float32 graph.

        Args:
            value: the name in the float32 graph.
            result: the name of what is quantized.
            activation: whose quantization parameters to use, by its name in the record.
        """
        if activation not in self._record.activations:
            raise ValueError(
                f"the quantization has no parameters for the output of {activation}; it is that of another net"
            )
        qparams = self._record.activations[activation]
        scale = self._tensor(f"{activation}.step", np.float32(qparams.scale))
        zero_point = self._tensor(f"{activation}.zero_point", np.uint8(qparams.zero_point))
        quantized = f"{result}.codes"
        self._node("QuantizeLinear", [result, scale, zero_point], quantized)
        self._node("DequantizeLinear", [quantized, scale, zero_point], f"{result}.values")
        self._values[value], self._activations[value] = f"{result}.values", activation

    def layer(self, node: onnx.NodeProto, shape: tuple[int, ...]) -> None:
        """Write a Conv or Gemm with its weights."""
        layer = self._record.layers.get(node.name)
        if layer is None or layer.weight.shape != shape:
            raise ValueError(
                f"the quantization has no weights of shape {shape} for {node.name}; it is that of another net"
            )
        inputs = [self._values[node.input[0]]]
        unit = bias_scale(layer.scale, self._record.activations[self._activations[node.input[0]]]).astype(np.float32)
        for part, integers, scale in (("weight", layer.weight, layer.scale), ("bias", layer.bias, unit)):
            name = f"{node.name}.{part}"
            constants = (integers, scale, np.zeros_like(integers, shape=len(integers)))
            parts = (name, f"{name}.step", f"{name}.zero_point")
            tensors = [self._tensor(part, constant) for part, constant in zip(parts, constants, strict=True)]
            inputs.append(f"{name}.values")
            self._node("DequantizeLinear", tensors, inputs[-1], axis=0)
        self._gain = layer.gain
        result = self._copy(node, inputs)
        if node.op_type == "Conv":
            self.quantize_activation(node.output[0], result, node.name)

    def ncrelu(self, source: str, concat: onnx.NodeProto) -> None:
        """Write an NCReLU of `source`, in place of four nodes of which the last is the Concat."""
        activation, result = self._activations[source], concat.output[0]

        def relu(value: str) -> str:
            positive = f"{concat.name}.positive"
            self._node("LeakyRelu", [value], positive, alpha=0.0)
            self.quantize_activation(positive, positive, activation)
            return self._values[positive]

        self._node("Concat", list(ncrelu.halves(self._values[source], relu)), result, axis=1)
        self.quantize_activation(result, result, activation)

    def other(self, node: onnx.NodeProto) -> None:
        """Write a Relu, a pool or a Flatten."""
        source, result = node.input[0], node.output[0]
        activation = self._activations[source]
        included = self._record.activations[activation].zero_point == 0  # see QParams
        if node.op_type == "Relu" and included and result not in self._outputs:
            self._values[result], self._activations[result] = self._values[source], activation
            return
        written = self._copy(node, [self._values[source]])
        self.quantize_activation(result, written, node.name if node.op_type == "GlobalAveragePool" else activation)

    def _copy(self, node: onnx.NodeProto, inputs: list[str]) -> str:
        """Write a node of the float32 graph and return the name of its result.

        Where that is an output of the graph, a Mul undoes the gains of cross-layer equalization.
        """
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
