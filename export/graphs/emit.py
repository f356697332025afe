"""Emits the folded net as an ONNX graph, node by node, with onnx's own builders.

The graph is built by hand rather than traced, because its nodes decide how fast runtimes are and how well the net
quantizes (tracing turns the global pool into a ReduceMean), and because its bytes must depend neither on the machine
nor on the version of a tracer. The tests use torch.onnx.export as their oracle.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from export.folding.chain import feature_sources, leaves
from export.folding.pairing import has_hooks
from export.layout import INPUT, METADATA_KEY, OUTPUT
from zoo import DiracConv2d, NCReLU

OPSET = 20
IR_VERSION = 9  # the oldest that supports opset 20, so that older runtimes can load the graph
PRODUCER = "diracnet-zoo"
LARGEST = 2**31 - 1
"""Protocol buffers end there, in bytes."""
_BATCH = "batch"
_STOCK = (nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear)
OPERATORS = frozenset({"Concat", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "MaxPool", "Neg", "Relu"})


def emit(
    folded: nn.Sequential, metadata: Mapping[str, Any] | None = None, features: Collection[str] = ()
) -> onnx.ModelProto:
    """Return the ONNX model of a folded net.

    The input is `pixel_values`, float32 [batch, C, height, width], with every dimension but C free. The outputs are
    `logits`, float32 [batch, classes], followed by the features. Equal arguments give equal bytes.

    Args:
        folded: a chain of Conv2d, ReLU, `zoo.NCReLU`, MaxPool2d, AdaptiveAvgPool2d(1), Flatten and Linear in eval mode,
            as returned by `fold`.
        metadata: a JSON-compatible description of the net, to be stored in the graph.
        features: names of modules whose outputs the graph should also give, such as "group2"; see `feature_sources`.

    Raises:
        ValueError: the net contains any other module, which the message names, a feature does not exist, or the file
            would be larger than an ONNX file can be.

    Example:
        >>> import export, zoo
        >>> model = export.emit(export.fold(zoo.get_model("diracnet10_cifar").eval()))
        >>> [output.name for output in model.graph.output]
        ['logits']
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    chain = list(leaves(folded)) if isinstance(folded, nn.Sequential) else []
    if not chain or not isinstance(chain[0][1], (nn.Conv2d, DiracConv2d)) or not isinstance(chain[-1][1], nn.Linear):
        raise ValueError(
            "a folded net is an nn.Sequential that starts with a Conv2d and ends with a Linear, not a "
            f"{type(folded).__name__}; give what export.fold returns for a DiracNet"
        )
    size = 4 * sum(parameter.numel() for parameter in folded.parameters())
    if size >= LARGEST:
        raise ValueError(f"the weights take {size / 1e9:.1f} GB, and an ONNX file ends at 2.1 GB; build a narrower net")
    wanted = {leaf: feature for feature, leaf in feature_sources(folded, features).items()}
    chain = _activations_first(chain, wanted)
    outputs: dict[str, onnx.ValueInfoProto] = {}
    shape: list[int | str] = [_BATCH, chain[0][1].in_channels, "height", "width"]
    given = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)
    value, negated = INPUT, False
    for position, (name, module) in enumerate(chain):
        result = OUTPUT if position == len(chain) - 1 else wanted.get(name, name)
        shape = _shape(module, shape, result)
        if name in wanted:
            outputs[result] = helper.make_tensor_value_info(result, TensorProto.FLOAT, shape)
        if isinstance(module, NCReLU):
            # min(x, 0) = -relu(-x). The outer sign goes into the next kernel, which is exact and costs nothing.
            nodes += [
                helper.make_node("Relu", [value], [f"{name}.positive"], f"{name}.positive"),
                helper.make_node("Neg", [value], [f"{name}.neg"], f"{name}.neg"),
                helper.make_node("Relu", [f"{name}.neg"], [f"{name}.negative"], f"{name}.negative"),
                helper.make_node("Concat", [f"{name}.positive", f"{name}.negative"], [result], name, axis=1),
            ]
            negated = True
        else:
            operator, attributes = _operator(name, module)
            parameters = {
                part: getattr(module, part).detach().cpu().numpy()
                for part in ("weight", "bias")
                if getattr(module, part, None) is not None
            }
            if negated:
                if not isinstance(module, nn.Conv2d) or module.groups != 1:
                    raise ValueError(f"{name}: a convolution with one group must follow an NCReLU, not {module}")
                parameters["weight"] = _negate_second_half(parameters["weight"])
                negated = False
            inputs = [value]
            for part, array in parameters.items():
                inputs.append(f"{name}.{part}")
                weights.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), inputs[-1]))
            nodes.append(helper.make_node(operator, inputs, [result], name, **attributes))
        value = result
    if negated:
        raise ValueError(f"{chain[-1][0]}: a convolution must follow an NCReLU")

    graph = helper.make_graph(
        nodes,
        PRODUCER,
        [given],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape), *(outputs[name] for name in features)],
        weights,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        producer_version="1",  # the emitter's; the package's version would change the bytes of every file
    )
    return with_metadata(model, metadata or {})


def _activations_first(chain: list[tuple[str, Any]], wanted: Collection[str]) -> list[tuple[str, Any]]:
    """Return the chain with each ReLU moved ahead of the max-pool before it, unless the output of either is wanted.

    Both orders give the same values, bit for bit, but runtimes fuse a ReLU into the convolution directly before it.
    """
    ordered = list(chain)
    for index, ((pool, module), (relu, following)) in enumerate(pairwise(chain)):
        free = pool not in wanted and relu not in wanted
        if free and isinstance(module, nn.MaxPool2d) and isinstance(following, nn.ReLU):
            ordered[index : index + 2] = reversed(ordered[index : index + 2])
    return ordered


def with_metadata(model: onnx.ModelProto, metadata: Mapping[str, Any]) -> onnx.ModelProto:
    """Return a copy of a graph with a description in its metadata."""
    described = onnx.ModelProto()
    described.CopyFrom(model)
    helper.set_model_props(described, {METADATA_KEY: json.dumps(metadata, sort_keys=True)})
    return described


def _shape(module: nn.Module, shape: list[int | str], name: str) -> list[int | str]:
    """Return the shape of a leaf's output `name`; unknown heights and widths are named after that output."""
    match module:
        case nn.Conv2d():
            return [_BATCH, module.out_channels, f"{name}.height", f"{name}.width"]
        case nn.MaxPool2d():
            return [*shape[:2], f"{name}.height", f"{name}.width"]
        case NCReLU():
            return [_BATCH, 2 * int(shape[1]), *shape[2:]]
        case nn.AdaptiveAvgPool2d():
            return [*shape[:2], 1, 1]
        case nn.Flatten():
            return shape[:2]
        case nn.Linear():
            return [_BATCH, module.out_features]
    return shape


def _operator(name: str, module: nn.Module) -> tuple[str, dict[str, Any]]:
    """Return the operator and attributes of a leaf; subclasses of stock modules are refused, as they may do more."""
    match module:
        case _ if type(module) not in _STOCK or has_hooks(module):
            pass
        case nn.Conv2d(padding_mode="zeros") if not isinstance(module.padding, str):
            return "Conv", {
                "kernel_shape": module.kernel_size,
                "strides": module.stride,
                "pads": module.padding * 2,
                "dilations": module.dilation,
                "group": module.groups,
            }
        case nn.ReLU():
            return "Relu", {}
        case nn.MaxPool2d(dilation=1, ceil_mode=False):
            return "MaxPool", {
                "kernel_shape": _pair(module.kernel_size),
                "strides": _pair(module.stride),
                "pads": _pair(module.padding) * 2,
            }
        case nn.AdaptiveAvgPool2d(output_size=1 | (1, 1)):
            return "GlobalAveragePool", {}
        case nn.Flatten(start_dim=1, end_dim=-1):
            return "Flatten", {"axis": 1}
        case nn.Linear():
            return "Gemm", {"transB": 1}
    described = " ".join(str(module).split())
    raise ValueError(
        f"{name}: {described} has no place in the graph; a folded net consists of stock modules without hooks: Conv2d "
        "(zero padding in numbers), ReLU, NCReLU, MaxPool2d, AdaptiveAvgPool2d(1), Flatten(1) and Linear"
    )


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _negate_second_half(weight: NDArray[Any]) -> NDArray[Any]:
    half = weight.shape[1] // 2
    return np.concatenate((weight[:, :half], -weight[:, half:]), axis=1)
