"""Activations: choosing their quantization parameters, quantizing and dequantizing them (uint8, per tensor)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from export.int8.record import ACTIVATION_MAX, QParams
from zoo import Preprocessing

CLIPPING_RATIOS = tuple(index / 50 for index in range(15, 51))
"""The shares of an activation's range that MSE clipping tries to keep; what lies outside saturates."""
_SAMPLE = 1 << 18


def input_qparams(preprocessing: Preprocessing) -> QParams:
    """Return the quantization parameters of the net's input: their range is that of all pixels, normalized.

    Example:
        >>> input_qparams(Preprocessing(resize=32, size=32, interpolation="bicubic", mean=(0.5,), std=(0.5,)))
        QParams(scale=0.00787353515625, zero_point=127)
    """
    ends = [(level - m) / s for level in (0, 1) for m, s in zip(preprocessing.mean, preprocessing.std, strict=True)]
    return _spanning(min(ends), max(ends))


def activation_qparams(values: Tensor, clip: bool) -> QParams:
    """Return quantization parameters for an activation, from a sample of it.

    Args:
        values: float32 or float64, of any shape.
        clip: choose the range with the least mean square error (Banner et al., arXiv 1810.05723; Nagel et al.,
            arXiv 2106.08295), so that rare large values may saturate. Otherwise the range is min-max.

    Raises:
        ValueError: a value is not finite.

    Example:
        >>> activation_qparams(torch.tensor([0.0, 1.0, 255.0]), clip=False)
        QParams(scale=1.0, zero_point=0)
    """
    low, high = values.min().item(), values.max().item()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("the net computes values that are not finite; it cannot be quantized")
    if not clip:
        return _spanning(low, high)
    flat = values.flatten()
    sample = torch.cat((flat[:: max(1, len(flat) // _SAMPLE)], torch.tensor([low, high])))
    candidates = [_spanning(ratio * low, ratio * high) for ratio in CLIPPING_RATIOS]
    unit = squarable(sample)

    def error(qparams: QParams) -> float:
        difference = dequantize_linear(quantize_linear(sample, qparams), qparams) - sample
        return (difference / unit).square().mean().item()

    return min(candidates, key=error)


def squarable(*values: Tensor) -> float:
    """Return what to divide float32 values by so that sums of their products stay finite: 1, unless they are large.

    It is a power of two, by which dividing changes no digit.

    Example:
        >>> squarable(torch.tensor([255.0])), squarable(torch.tensor([2.0**70]))
        (1.0, 549755813888.0)
    """
    _, exponent = math.frexp(max(part.abs().max().item() for part in values))
    return 2.0 ** max(exponent - 32, 0)


def quantize_linear(values: Tensor, qparams: QParams) -> Tensor:
    """Return values quantized to uint8, rounded half to even and saturated, as ONNX's QuantizeLinear computes it.

    Example:
        >>> quantize_linear(torch.tensor([-9.0, 0.0, 0.6]), QParams(0.5, 3))
        tensor([0, 3, 4], dtype=torch.uint8)
    """
    return ((values / qparams.scale).round() + qparams.zero_point).clamp(0, ACTIVATION_MAX).to(torch.uint8)


def dequantize_linear(quantized: Tensor, qparams: QParams) -> Tensor:
    """Return the float32 numbers that quantized values stand for, as ONNX's DequantizeLinear computes them.

    Example:
        >>> dequantize_linear(torch.tensor([0, 3, 4], dtype=torch.uint8), QParams(0.5, 3))
        tensor([-1.5000,  0.0000,  0.5000])
    """
    return (quantized.float() - qparams.zero_point) * qparams.scale


def _spanning(low: float, high: float) -> QParams:
    """Return the parameters whose range is low … high, widened to include zero: convolutions pad with zeros."""
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return QParams(1.0, 0)  # nothing but zeros
    # Eight significant bits, rounded up: the last bits of a processor's sums must not decide a file's bytes.
    mantissa, exponent = math.frexp((high - low) / ACTIVATION_MAX)
    scale = math.ldexp(math.ceil(mantissa * 256) / 256, exponent)
    return QParams(scale, round(-low / scale))
