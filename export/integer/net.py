"""The int8 net of devices: integers from the picture to the logits, as LiteRT's reference kernels compute them.

It follows from a net's quantization record. Weights, biases and activations are those of the record; what differs from
the ONNX graph is that activations are int8 (the record's uint8 minus 128), that factors are fixed-point numbers, and
that the logits are quantized too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import nn

from export.int8.layers import Layer, layers
from export.int8.record import QParams, Quantization, bias_scale
from export.integer.fixed import INT32_MAX, Factor
from export.integer.geometry import channels_last, pool_sizes, strides
from export.integer.logits import logits_code
from export.layout import INPUT
from zoo import Preprocessing

OFFSET = 128
"""What the codes of devices are lower by than those of the record."""
LOWEST, HIGHEST = -128, 127


@dataclass(frozen=True)
class Code:
    """The quantization of an activation: the int8 number q stands for scale × (q - zero_point)."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, qparams: QParams) -> Code:
        """Return the code of an activation of the record."""
        return cls(qparams.scale, qparams.zero_point - OFFSET)


PIXELS = Code(float(np.float32(1 / 255)), LOWEST)
"""The code of pixels: what they are from 0 to 255, minus 128, stands for numbers from 0 to 1."""


@dataclass(frozen=True, eq=False)
class Normalization:
    """Turns pixels into normalized ones, channel by channel: 127 × scale × pixel + bias.

    Args:
        scale: float32, (channels,).
        bias: int32, (channels,), in units of `unit`.
        output: the code of normalized pixels.
    """

    scale: NDArray[np.float32]
    bias: NDArray[np.int32]
    output: Code

    @classmethod
    def of(cls, preprocessing: Preprocessing, output: Code) -> Normalization:
        """Return the one of a preprocessing."""
        mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
        scale = (1 / std / HIGHEST).astype(np.float32)
        bias = np.round(-mean / std / (PIXELS.scale * scale.astype(np.float64)))
        return cls(scale, bias.astype(np.int32), output)

    @property
    def weight(self) -> NDArray[np.int8]:
        """The factors as int8, (channels,)."""
        return np.full(len(self.scale), HIGHEST, np.int8)

    @property
    def unit(self) -> NDArray[np.float32]:
        """The unit of the bias, (channels,)."""
        return (self.scale.astype(np.float64) * PIXELS.scale).astype(np.float32)

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """For each channel the factor that turns its sums into the output's code."""
        return tuple(Factor.of(PIXELS.scale * scale / self.output.scale) for scale in self.scale.astype(float).tolist())


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution; the classifier is one on a single pixel.

    Args:
        name: of the layer in the net.
        weight: int8, (out, height, width, in).
        scale: float32, (out,): that of each filter's weights.
        bias: int32, (out,).
        stride: in both directions.
        padding: pixels of zeros on each side.
        doubled: whether an NCReLU stands before it, so that the second half of its inputs are max(x, 0) of the first.
        relu: whether a ReLU follows.
        input: the code of what it takes.
        output: the code of what it gives.
    """

    name: str
    weight: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32]
    stride: int
    padding: int
    doubled: bool
    relu: bool
    input: Code
    output: Code

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """For each filter the factor that turns its sums into the output's code."""
        return tuple(
            Factor.of(self.input.scale * scale / self.output.scale) for scale in self.scale.astype(np.float64).tolist()
        )

    @property
    def lowest(self) -> int:
        """The smallest number that it gives."""
        return max(LOWEST, self.output.zero_point) if self.relu else LOWEST

    @property
    def unit(self) -> NDArray[np.float32]:
        """The unit of a bias and of a sum of products, (out,)."""
        return bias_scale(self.scale, QParams(self.input.scale, 0)).astype(np.float32)


@dataclass(frozen=True)
class MaxPool:
    """A max-pool, which keeps the code of what it takes; padding never is the largest."""

    name: str
    size: int
    stride: int
    padding: int


@dataclass(frozen=True)
class Mean:
    """The average of each channel over all pixels, of which there are `count`."""

    name: str
    count: int
    input: Code
    output: Code

    @property
    def factor(self) -> Factor:
        """What turns the sum of a channel into the output's code."""
        return Factor.of(self.input.scale / self.output.scale).over(self.count)


Step = Convolution | MaxPool | Mean


@dataclass(frozen=True, eq=False)
class IntegerNet:
    """An int8 net for pictures of one size.

    Args:
        normalization: turns pixels into what the first step takes.
        steps: in order of execution; the last is the classifier.
        size: height and width of the pictures.
    """

    normalization: Normalization
    steps: tuple[Step, ...]
    size: int

    @property
    def output(self) -> Code:
        """The code of the logits."""
        return self.convolutions[-1].output

    def dequantized(self, codes: NDArray[np.int8]) -> NDArray[np.float32]:
        """Return logits as numbers, (batch, classes), from their codes."""
        numbers: NDArray[np.float32] = codes.astype(np.float32) - np.float32(self.output.zero_point)
        return numbers * np.float32(self.output.scale)

    @property
    def convolutions(self) -> list[Convolution]:
        """The steps with weights."""
        return [step for step in self.steps if isinstance(step, Convolution)]

    @property
    def classes(self) -> int:
        """How many logits there are."""
        return len(self.convolutions[-1].bias)


def lower(folded: nn.Sequential, record: Quantization, preprocessing: Preprocessing) -> IntegerNet:
    """Return the int8 net of a folded net and its record.

    Args:
        folded: the net.
        record: its quantization; `export.int8.validation.mismatches` tells whether it is this net's.
        preprocessing: how pictures become its input.

    Raises:
        ValueError: the net is no folded chain, its pictures are too small, or a sum could leave the range of int32;
            the layer is named.

    Example:
        >>> net = lower(folded, record, CIFAR)
        >>> net.size, type(net.steps[0]).__name__
        (32, 'Convolution')
    """
    steps: list[Step] = list(_steps(layers(folded), record, preprocessing.size))
    for step in steps:
        if not isinstance(step, MaxPool):
            _check_range(step)
    normalization = Normalization.of(preprocessing, Code.of(record.activations[INPUT]))
    return IntegerNet(normalization, tuple(steps), preprocessing.size)


def _steps(chain: tuple[Layer, ...], record: Quantization, size: int) -> Iterator[Step]:
    code = Code.of(record.activations[INPUT])
    (pool,) = record.activations.keys() - {INPUT, *record.layers}
    for layer, following in zip(chain, [*chain[1:], None], strict=True):
        if layer.pooled:
            pooled = Code.of(record.activations[pool])
            yield Mean(pool, size * size, code, pooled)
            code = pooled
        found = record.layers[layer.name]
        stride, padding = strides(layer)
        weight = channels_last(found.weight)
        given = logits_code(found, record.activations[pool]) if following is None else record.activations[layer.name]
        new = Code.of(given)
        relu = following is not None and following.has_relu
        yield Convolution(
            layer.name, weight, found.scale, found.bias, stride, padding, layer.has_ncrelu, relu, code, new
        )
        code, size = new, (size + 2 * padding - weight.shape[1]) // stride + 1
        if following is not None and following.max_pool is not None:
            window, stride, padding = pool_sizes(following.max_pool)
            yield MaxPool(f"{following.name}.max_pool", window, stride, padding)
            size = (size + 2 * padding - window) // stride + 1


def _check_range(step: Convolution | Mean) -> None:
    """Raise ValueError if a sum, or its product with a factor above one, may leave the range of int32."""
    # C adds up inputs of up to 255 and, in a convolution, has up to 255 times the weights in its bias.
    factors: tuple[Factor, ...]
    if isinstance(step, Mean):
        factors, sums = (step.factor,), np.array([step.count * 2 * OFFSET])
    else:
        factors, weights = step.factors, np.abs(step.weight.astype(np.int64)).sum((1, 2, 3))
        sums = weights * 2 * OFFSET + np.abs(step.bias.astype(np.int64))
    shifts = np.array([max(factor.shift, 0) for factor in factors])
    # The output's zero point, up to 255, is added to the product.
    if (shifts > 30).any() or (sums << np.minimum(shifts, 30)).max() > INT32_MAX - 255:
        raise ValueError(
            f"{step.name}: its sums may exceed 32 bits, which LiteRT and C files compute with; leave out "
            "litert-int8 and c"
        )
