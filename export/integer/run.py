"""The reference of the integer net, in numpy: what LiteRT's reference kernels, TensorFlow Lite Micro and C compute."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from export.integer.fixed import Factor, multiply
from export.integer.net import HIGHEST, LOWEST, Convolution, IntegerNet, MaxPool, Mean, Normalization


def table(normalization: Normalization) -> NDArray[np.int8]:
    """Return for each channel the normalized code of every value that a pixel can have, (channels, 256)."""
    sums = np.arange(256, dtype=np.int64)[:, None] * normalization.weight + normalization.bias
    return _rounded(sums, normalization.factors, normalization.output.zero_point, LOWEST).T


def evaluate(net: IntegerNet, pictures: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the logits' codes, (batch, classes), of pictures, (batch, size, size, channels).

    Example:
        >>> evaluate(lower(folded, record, CIFAR), np.zeros((1, 32, 32, 3), np.uint8)).shape
        (1, 10)
    """
    rows = table(net.normalization)
    codes = np.stack([row[pictures[..., channel]] for channel, row in enumerate(rows)], axis=-1)
    return np.concatenate([_evaluate_one(net, picture[None]) for picture in codes])


def _evaluate_one(net: IntegerNet, value: NDArray[np.int8]) -> NDArray[np.int8]:
    for step in net.steps:
        match step:
            case Convolution():
                value = _convolve(step, value)
            case MaxPool():
                value = _windows(value, step.size, step.stride, step.padding, LOWEST).max((4, 5))
            case Mean():
                sums = (value.astype(np.int64) - step.input.zero_point).sum((1, 2), keepdims=True)
                value = _rounded(sums, (step.factor,), step.output.zero_point, LOWEST)
    return value.reshape(len(value), -1)


def _convolve(step: Convolution, value: NDArray[np.int8]) -> NDArray[np.int8]:
    zero = step.input.zero_point
    if step.doubled:
        value = np.concatenate((value, np.maximum(value, np.int8(zero))), axis=3)
    windows = _windows(value, step.weight.shape[1], step.stride, step.padding, zero).transpose(0, 1, 2, 4, 5, 3)
    rows = windows.reshape(*windows.shape[:3], -1).astype(np.float64) - zero
    # float64 holds these sums exactly, and its matrix product is the fastest that numpy has.
    sums = (rows @ step.weight.reshape(len(step.weight), -1).T.astype(np.float64)).astype(np.int64) + step.bias
    return _rounded(sums, step.factors, step.output.zero_point, step.lowest)


def _rounded(sums: NDArray[np.int64], factors: tuple[Factor, ...], zero: int, lowest: int) -> NDArray[np.int8]:
    multiplier = np.array([factor.multiplier for factor in factors], np.int64)
    shift = np.array([factor.shift for factor in factors], np.int64)
    return np.clip(multiply(sums, multiplier, shift) + zero, lowest, HIGHEST).astype(np.int8)


def _windows(value: NDArray[np.int8], size: int, stride: int, padding: int, fill: int) -> NDArray[np.int8]:
    """Return the windows of a layer, (batch, height, width, channels, size, size)."""
    padded = np.pad(value, ((0, 0), (padding, padding), (padding, padding), (0, 0)), constant_values=fill)
    return sliding_window_view(padded, (size, size), (1, 2))[:, ::stride, ::stride]
