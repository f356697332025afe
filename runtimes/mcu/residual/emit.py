"""Writes a quantized residual net as an int8 LiteRT model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.comparators import TinyResNet
from export.int8.layers import Layer
from export.int8.record import QParams, Quantization, bias_scale
from export.integer.geometry import channels_last, strides
from export.integer.logits import logits_code
from export.integer.net import PIXELS, Code, Normalization
from export.layout import INPUT, OUTPUT, PICTURES
from export.litert.flatbuffer import Scalar
from export.litert.graph import Graph, Scales
from runtimes.mcu.residual.calibrate import CLASSIFIER, POOL, block_layers, layer_of
from zoo import Preprocessing

_RELU = 1


@dataclass(frozen=True)
class _Point:
    """A tensor from which the graph can go on."""

    tensor: int
    shape: tuple[int, ...]
    scales: Scales | None


class ResidualGraph(Graph):
    """A model with branches."""

    def point(self) -> _Point:
        """Return the tensor that was computed last."""
        return _Point(self._last, self._shape, self._scales)

    def back_to(self, point: _Point) -> None:
        """Go on from an earlier tensor."""
        self._last, self._shape, self._scales = point.tensor, point.shape, point.scales

    def add(self, name: str, other: _Point, scales: Scales | None = None) -> None:
        """Append the sum of the last tensor and another, followed by a ReLU."""
        self._append("Add", [other.tensor], name, {0: Scalar("Int8", _RELU)}, scales)


def emit_residual(folded: TinyResNet, record: Quantization, preprocessing: Preprocessing) -> ResidualGraph:
    """Return the int8 model, with inputs and outputs like those of `export.litert.int8.emit_int8`.

    Each convolution pads as PyTorch does, on all sides alike.

    Args:
        folded: the net, its BatchNorms folded.
        record: its quantization, from `calibrate_residual`.
        preprocessing: how pictures become its input.
    """
    first = Normalization.of(preprocessing, Code.of(record.activations[INPUT]))
    size = preprocessing.size
    graph = ResidualGraph(PICTURES, (1, size, size, len(first.bias)), np.int8, _scales(PIXELS))
    parts = (Scales(first.scale, axis=3), Scales(first.unit), _scales(first.output))
    graph.normalization(INPUT, first.weight, first.bias, parts)

    def convolve(layer: Layer, taken: str, *, relu: bool = False, output: QParams | None = None) -> None:
        made, given = record.layers[layer.name], record.activations[taken]
        stride, padding = strides(layer)
        unit = bias_scale(made.scale, QParams(given.scale, 0)).astype(np.float32)
        result = _scales(Code.of(output if output is not None else record.activations[layer.name]))
        graph.convolution(
            layer.name,
            channels_last(made.weight),
            made.bias,
            stride=stride,
            padding=padding,
            relu=relu,
            scales=(Scales(made.scale), Scales(unit), result),
        )

    convolve(layer_of("conv", folded.conv), INPUT, relu=True)
    taken = "conv"
    for name, block in folded.blocks.named_children():
        conv1, conv2, projection = block_layers(name, block)
        start = skip = graph.point()
        convolve(conv1, taken, relu=True)
        convolve(conv2, conv1.name)
        if projection is not None:
            last = graph.point()
            graph.back_to(start)
            convolve(projection, taken)
            skip = last
        graph.add(name, skip, _scales(Code.of(record.activations[name])))
        taken = name
    graph.mean(POOL, _scales(Code.of(record.activations[POOL])))
    logits = logits_code(record.layers[CLASSIFIER], record.activations[POOL])
    convolve(layer_of(CLASSIFIER, folded.fc), POOL, output=logits)
    graph.flatten(OUTPUT)
    return graph


def _scales(code: Code) -> Scales:
    return Scales(np.array([code.scale], np.float32), code.zero_point)
