"""The code of the logits, which the quantization record lacks because the ONNX graph gives them as float numbers.

It is derived from the classifier alone, without pictures. A pooled value lies somewhere in its range R. If the values
were independent and uniform, a logit would have the standard deviation R ‖w‖ / √12, w being the weights of its class.
The logits' range is 2 R ‖w‖ around the bias, about seven of these, or what the values can reach at all if that is less.
"""

from __future__ import annotations

import numpy as np
import torch

from export.int8.activation import activation_qparams
from export.int8.record import ACTIVATION_MAX, QParams, QuantizedLayer, bias_scale

SPREAD = 2.0
"""How many times R ‖w‖ the logits may lie from the bias."""


def logits_code(classifier: QuantizedLayer, pooled: QParams) -> QParams:
    """Return the quantization parameters of the logits.

    Args:
        classifier: the quantized layer that computes them.
        pooled: the quantization parameters of its input.

    Example:
        >>> weight, one = np.array([[2], [-2]], np.int8), np.ones(2, np.float32)
        >>> logits_code(QuantizedLayer(weight, one, np.zeros(2, np.int32), one), QParams(1.0, 0))
        QParams(scale=4.0, zero_point=128)
    """
    weight = classifier.weight.astype(np.int64)  # integers, so that the order of the sums does not matter
    unit = bias_scale(classifier.scale, pooled)
    low, high = -pooled.zero_point, ACTIVATION_MAX - pooled.zero_point
    positive, negative = np.maximum(weight, 0).sum(1), np.minimum(weight, 0).sum(1)
    spread = SPREAD * ACTIVATION_MAX * np.sqrt((weight**2).sum(1).astype(np.float64))
    below = np.maximum(low * positive + high * negative, -spread)
    above = np.minimum(high * positive + low * negative, spread)
    ends = [(unit * (below + classifier.bias)).min(), (unit * (above + classifier.bias)).max()]
    return activation_qparams(torch.tensor(ends), clip=False)
