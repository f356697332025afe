"""The float32 LiteRT model of a folded net."""

from __future__ import annotations

import numpy as np
from torch import nn

from export.int8.layers import layers
from export.integer.geometry import channels_last, pool_sizes, strides
from export.layout import INPUT, OUTPUT, PICTURES
from export.litert.graph import Graph
from zoo import Preprocessing


def emit_float32(folded: nn.Sequential, preprocessing: Preprocessing) -> Graph:
    """Return the model of a folded net, whose input is `pictures`, float32 [1, size, size, channels], from 0 to 1.

    It normalizes them itself, because MediaPipe knows only normalizations that are the same for all channels.

    An NCReLU is written as `export.int8.ncrelu` rewrites it, and the classifier as a 1×1 convolution: then both LiteRT
    files have the same operators, and int8 has a scale for each class in every version of the runtime.

    Raises:
        ValueError: the net is no folded chain.
    """
    chain = layers(folded)
    shape = (1, preprocessing.size, preprocessing.size, len(preprocessing.mean))
    graph = Graph(PICTURES, shape, np.float32)
    mean, std = (np.array(values) for values in (preprocessing.mean, preprocessing.std))
    graph.normalization(INPUT, (1 / std).astype(np.float32), (-mean / std).astype(np.float32))
    for layer, following in zip(chain, [*chain[1:], None], strict=True):
        if layer.pooled:
            graph.mean("avg_pool")
        if layer.has_ncrelu:
            graph.ncrelu(f"{layer.name}.ncrelu")
        stride, padding = strides(layer)
        graph.convolution(
            layer.name,
            channels_last(layer.kernel.float().numpy()),
            layer.bias.float().numpy(),
            stride=stride,
            padding=padding,
            relu=following is not None and following.has_relu,
        )
        if following is not None and following.max_pool is not None:
            graph.max_pool(f"{following.name}.max_pool", *pool_sizes(following.max_pool))
    graph.flatten(OUTPUT)
    return graph
