"""The reference of int8 inference: a net computed in integers, from its record alone, as every runtime should."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from export.folding.chain import leaves
from export.int8 import ncrelu
from export.int8.activation import dequantize_linear, quantize_linear
from export.int8.record import ACTIVATION_MAX, QParams, Quantization, bias_scale
from export.layout import INPUT
from zoo import NCReLU


@torch.inference_mode()
def evaluate_integers(folded: nn.Sequential, record: Quantization, batch: Tensor) -> dict[str, Tensor]:
    """Return what every leaf of a folded net computes in its int8 form.

    Sums of products are exact. They are requantized as in ONNX Runtime: multiplied in float32, then rounded half to
    even. Outputs are dequantized, and the gains of cross-layer equalization are undone.

    Args:
        folded: the net.
        record: its quantization; `export.int8.validation.mismatches` tells whether it is this net's.
        batch: (batch, channels, height, width), float32.

    Returns:
        By the name of the leaf, in order of execution: its output, float32.

    Example:
        >>> evaluate_integers(folded, record, torch.zeros(1, 3, 32, 32))["fc"].shape
        torch.Size([1, 10])
    """
    qparams = record.activations[INPUT]
    value = quantize_linear(batch, qparams).double() - qparams.zero_point  # integers, in units of the scale
    gain, outputs = torch.ones(1), {}
    for name, module in leaves(folded):
        match module:
            case nn.Conv2d() | nn.Linear():
                sums, units = _product(module, record, name, value, qparams)
                gain = torch.from_numpy(record.layers[name].gain)
                outputs[name] = _shaped(units, sums) * sums.float() / _shaped(gain, sums)
                if isinstance(module, nn.Linear):
                    return outputs
                new = record.activations[name]
                value = _requantize(sums, _shaped(units / new.scale, sums), new)
                qparams = new
                continue
            case nn.AdaptiveAvgPool2d():
                sums, count = value.sum((2, 3), keepdim=True), value.shape[2] * value.shape[3]
                outputs[name] = (sums / count).float() * qparams.scale / _shaped(gain, sums)
                new = record.activations[name]
                factor = np.float32(qparams.scale) / np.float32(new.scale * count)
                value = _requantize(sums, torch.tensor(factor), new)
                qparams = new
                continue
            case NCReLU():
                value, gain = ncrelu.values(value), ncrelu.gains(gain)
            case _:  # a ReLU, a max-pool or a Flatten
                value = module(value)
        outputs[name] = dequantize_linear(value + qparams.zero_point, qparams) / _shaped(gain, value)
    return outputs


def rounding_deviation(folded: nn.Sequential, record: Quantization) -> float:
    """Return the standard deviation of a logit if each feature before the last layer is a step too high or too low.

    A runtime that sums in float32 may round a value halfway between two integers either way. Every later layer spreads
    that, until some features differ by a step. If all do, independently of each other, a logit deviates by the step
    times the norm of its weights; the largest over the logits is returned, in their units.

    Example:
        >>> rounding_deviation(folded, record) < 0.1
        True
    """
    before, name = [name for name, module in leaves(folded) if not isinstance(module, nn.Flatten)][-2:]
    layer = record.layers[name]
    weights = layer.weight.astype(np.float64) * layer.scale.reshape(-1, 1)
    return float(np.linalg.norm(weights, axis=1).max() * record.activations[before].scale)


def _product(module: Any, record: Quantization, name: str, value: Tensor, input: QParams) -> tuple[Tensor, Tensor]:
    """Return a layer's sums of products, integers in float64, and the unit of each channel, float32."""
    layer = record.layers[name]
    weight, bias = torch.from_numpy(layer.weight).double(), torch.from_numpy(layer.bias).double()
    units = torch.from_numpy(bias_scale(layer.scale, input)).float()
    if isinstance(module, nn.Linear):
        return nn.functional.linear(value, weight, bias), units
    sums = nn.functional.conv2d(value, weight, bias, module.stride, module.padding, module.dilation)
    return sums, units


def _requantize(sums: Tensor, factor: Tensor, qparams: QParams) -> Tensor:
    """Return sums as multiples of another scale: rounded half to even, and saturated."""
    quantized = ((sums.float() * factor).round() + qparams.zero_point).clamp(0, ACTIVATION_MAX)
    return quantized.double() - qparams.zero_point


def _shaped(vector: Tensor, like: Tensor) -> Tensor:
    """Return a vector of channels with the number of axes that `like` has."""
    return vector.reshape(1, -1, *[1] * (like.ndim - 2))
