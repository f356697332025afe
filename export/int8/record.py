"""The record of an int8 net: integer weights and biases, and the quantization parameters of its activations.

The float32 graph and this record are all that the int8 graph is made from. The record has a file of its own, so that
the calibration pictures are needed only once: from then on anyone can write the same graph, to the last bit.

Weights are quantized per output channel and symmetrically (int8, zero point 0), activations per tensor and
asymmetrically (uint8), biases as int32 in units of weight scale × activation scale: the usual scheme of integer
inference (Jacob et al., arXiv 1712.05877; Krishnamoorthi, arXiv 1806.08342).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from zoo.layout import KEY
from zoo.weights.described import load_described, save_described

WEIGHT_MAX = 127
"""Quantized weights are -127 … 127. -128 is left out, so that a weight and its negative have the same size."""
ACTIVATION_MAX = 255
"""Quantized activations are 0 … 255."""
_PARTS = {"weight": np.int8, "scale": np.float32, "bias": np.int32, "gain": np.float32}


@dataclass(frozen=True)
class QParams:
    """The quantization parameters of one activation: a quantized value q stands for scale × (q - zero_point).

    With a zero point of 0 there is no q for a negative number, so quantizing includes a ReLU.

    Args:
        scale: the step between neighbouring values; rounded to float32, because that is what graphs hold.
        zero_point: the q that stands for 0, from 0 to 255.

    Raises:
        ValueError: the scale is not above zero or not finite, or the zero point is out of range.

    Example:
        >>> QParams(scale=0.5, zero_point=128)  # represents -64.0, -63.5, … 63.5
        QParams(scale=0.5, zero_point=128)
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", float(np.float32(self.scale)))
        whole = type(self.zero_point) is int and 0 <= self.zero_point <= ACTIVATION_MAX
        if not (0 < self.scale < float("inf") and whole):
            raise ValueError(
                "quantization parameters have a finite scale above 0 and a whole zero point from 0 to "
                f"{ACTIVATION_MAX}, not {self}"
            )


@dataclass(frozen=True)
class QuantizedLayer:
    """The quantized weights of a convolution or of the classifier.

    Args:
        weight: int8, (out, in, …); scale × weight, channel by channel, is the kernel.
        scale: float32, (out,), above zero.
        bias: int32, (out,), in units of `bias_scale`.
        gain: float32, (out,), above zero: the factor of cross-layer equalization. The int8 net's output channels are
            this many times as large as the float net's.

    Raises:
        ValueError: an array has another type or shape, or a scale or gain is not finite and above zero.
    """

    weight: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32]
    gain: NDArray[np.float32]

    def __post_init__(self) -> None:
        count = (len(self.weight),)
        for part, kind in _PARTS.items():
            array = getattr(self, part)
            if array.dtype != kind or (part != "weight" and array.shape != count):
                raise ValueError(f"{part} is {array.dtype} {array.shape}; it must be {np.dtype(kind)} {count}")
        if not all(np.isfinite(factors).all() and (factors > 0).all() for factors in (self.scale, self.gain)):
            raise ValueError("a scale or gain is not above zero")

    def kernel(self) -> NDArray[np.float64]:
        """Return the dequantized kernel, (out, in, …), without rounding."""
        scale = self.scale.astype(np.float64).reshape(-1, *[1] * (self.weight.ndim - 1))
        kernel: NDArray[np.float64] = scale * self.weight
        return kernel


def bias_scale(weight_scale: NDArray[np.float32], input: QParams) -> NDArray[np.float64]:
    """Return the unit of a layer's int32 bias, and of its sums of products: weight scale × scale of its input.

    Exact, because float64 holds the product of any two float32 numbers. Graphs and runtimes use it rounded to float32.

    Args:
        weight_scale: float32, (out,).
        input: the quantization parameters of the layer's input.

    Returns:
        float64, (out,).

    Example:
        >>> bias_scale(np.float32([0.5, 0.25]), QParams(0.5, 0))
        array([0.25 , 0.125])
    """
    return weight_scale.astype(np.float64) * input.scale


@dataclass(frozen=True)
class Quantization:
    """The record of an int8 net.

    Args:
        layers: by name, in order of execution.
        activations: the quantization parameters of each activation, by the name of what computes it: the input, each
            convolution, the average pool. ReLU, max-pool and NCReLU keep the parameters of what they are applied to.
        calibration: the pictures and the method that it was made with, as JSON can hold it.

    Example:
        >>> folder = "checkpoints/diracnet16_cifar/cifar10/"
        >>> record = Quantization.load(folder + "onnx/quantization.safetensors")
        >>> record.activations["pixel_values"].zero_point, record.layers["fc"].weight.dtype
        (123, dtype('int8'))
    """

    layers: Mapping[str, QuantizedLayer]
    activations: Mapping[str, QParams]
    calibration: Mapping[str, Any]

    def save(self, path: str | Path) -> None:
        """Write the file; equal records give equal bytes."""
        tensors = {
            f"{name}.{part}": np.ascontiguousarray(getattr(layer, part))
            for name, layer in self.layers.items()
            for part in _PARTS
        }
        description = {
            "calibration": dict(self.calibration),
            "grids": {name: [qparams.scale, qparams.zero_point] for name, qparams in self.activations.items()},
            "layers": list(self.layers),
        }
        save_described(Path(path), tensors, description, save_file)

    @classmethod
    def load(cls, path: str | Path) -> Quantization:
        """Read a file written by `save`.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no record of a quantization {path}")
        try:
            tensors, description = load_described(path, "np")
            if description is None:
                raise ValueError(f"its metadata lack {KEY!r}")
            layers = {
                name: QuantizedLayer(**{part: tensors.pop(f"{name}.{part}") for part in _PARTS})
                for name in description["layers"]
            }
            activations = {name: QParams(*parameters) for name, parameters in description["grids"].items()}
            if tensors:
                raise ValueError(f"{sorted(tensors)[0]} belongs to no layer")
            return cls(layers, activations, description["calibration"])
        except (SafetensorError, AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a quantization record, or is damaged: {error!r}") from error
