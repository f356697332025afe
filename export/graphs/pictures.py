"""Raw pictures as input: scaling and normalization become part of the graph, so that callers cannot get them wrong.

They are not folded into the first convolution, because it pads with zeros: no choice of kernel and bias would give the
same result at the border.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.layout import INPUT, PICTURES
from zoo import Preprocessing

OPERATORS = frozenset({"Cast", "Div", "Sub", "Transpose"})


def take_pictures(model: onnx.ModelProto, preprocessing: Preprocessing) -> onnx.ModelProto:
    """Return a copy of a graph that takes pictures, uint8 [batch, size, size, channels], instead of `pixel_values`.

    Callers still have to resize and crop. Everything else is computed as in `Preprocessing.normalize`, operation by
    operation, and in float32 even if the rest of the graph is not.

    Args:
        model: a graph with the input `pixel_values`.
        preprocessing: the preprocessing that belongs to the weights.
    """
    taking = onnx.ModelProto()
    taking.CopyFrom(model)
    graph, size, channels = taking.graph, preprocessing.size, len(preprocessing.mean)
    steps = [
        helper.make_node("Transpose", [PICTURES], [f"{PICTURES}.planes"], f"{PICTURES}.planes", perm=[0, 3, 1, 2]),
        helper.make_node(
            "Cast", [f"{PICTURES}.planes"], [f"{PICTURES}.float"], f"{PICTURES}.float", to=TensorProto.FLOAT
        ),
    ]
    value = f"{PICTURES}.float"
    constants = []
    for operator, part, numbers in (
        ("Div", "scaled", [255.0]),
        ("Sub", "centred", preprocessing.mean),
        ("Div", INPUT, preprocessing.std),
    ):
        result = part if part == INPUT else f"{PICTURES}.{part}"
        array = np.asarray(numbers, np.float32).reshape(1, -1, 1, 1)
        constants.append(numpy_helper.from_array(array, f"{result}.by"))
        steps.append(helper.make_node(operator, [value, f"{result}.by"], [result], result))
        value = result
    del graph.input[:], graph.node[:], graph.initializer[:]
    graph.input.append(helper.make_tensor_value_info(PICTURES, TensorProto.UINT8, ["batch", size, size, channels]))
    graph.node.extend([*steps, *model.graph.node])
    graph.initializer.extend([*constants, *model.graph.initializer])
    return taking
