"""The int8 LiteRT model: int8 from input to logits, without a float number in between."""

from __future__ import annotations

import numpy as np

from export.integer.net import PIXELS, Code, Convolution, IntegerNet, MaxPool, Mean
from export.layout import INPUT, OUTPUT, PICTURES
from export.litert.graph import Graph, Scales


def emit_int8(net: IntegerNet) -> Graph:
    """Return the model of an integer net: `pictures`, int8 [1, size, size, channels], pixels minus 128, to `logits`."""
    first = net.normalization
    shape = (1, net.size, net.size, len(first.bias))
    graph = Graph(PICTURES, shape, np.int8, _scales(PIXELS))
    graph.normalization(
        INPUT, first.weight, first.bias, (Scales(first.scale, axis=3), Scales(first.unit), _scales(first.output))
    )
    for step in net.steps:
        match step:
            case Convolution():
                if step.doubled:
                    graph.ncrelu(f"{step.name}.ncrelu")
                graph.convolution(
                    step.name,
                    step.weight,
                    step.bias,
                    stride=step.stride,
                    padding=step.padding,
                    relu=step.relu,
                    scales=(Scales(step.scale), Scales(step.unit), _scales(step.output)),
                )
            case MaxPool():
                graph.max_pool(step.name, step.size, step.stride, step.padding)
            case Mean():
                graph.mean(step.name, _scales(step.output))
    graph.flatten(OUTPUT)
    return graph


def _scales(code: Code) -> Scales:
    return Scales(np.array([code.scale], np.float32), code.zero_point)
