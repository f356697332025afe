"""What makes a folded net an int8 net: whole numbers for its weights, and a grid for the values between its layers.

A record of this is all that an int8 graph needs beside the float32 one. It is kept in a file of its own, so that the
pictures that it was calibrated on are needed once, and the graph can be made anew, to the last bit, by anyone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from zoo.files import replace_file

LEVELS = 127
"""Weights lie on -127 … 127: without -128, so that a weight and its negative have the same size."""
STEPS = 255
"""Values between layers lie on 0 … 255."""
_KEY = "diracnet"  # one metadata key with sorted JSON, because safetensors writes several in random order
_PARTS = {"weight": np.int8, "scale": np.float32, "bias": np.int32, "gain": np.float32}


@dataclass(frozen=True)
class Grid:
    """The numbers that uint8 codes stand for: scale × (code - zero_point), code from 0 to 255.

    With a zero point of 0 the grid holds no negative number: writing to it is a ReLU.
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        # Kept as float32 holds it, because that is what graphs can hold.
        object.__setattr__(self, "scale", float(np.float32(self.scale)))
        if not (0 < self.scale < float("inf") and 0 <= self.zero_point <= STEPS):
            raise ValueError(f"a grid has a scale above 0 and a zero point from 0 to {STEPS}, not {self}")


@dataclass(frozen=True)
class QuantizedLayer:
    """The weights of a convolution or of the classifier.

    Args:
        weight: int8, (out, in, …); the kernel is scale × weight, channel by channel.
        scale: float32, (out,), above zero.
        bias: int32, (out,), in units of scale × the scale of the layer's input.
        gain: float32, (out,), above zero: the channels are computed so many times as large as in the float net.
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
        """Return the kernel that the whole numbers stand for, exactly."""
        scale = self.scale.astype(np.float64).reshape(-1, *[1] * (self.weight.ndim - 1))
        kernel: NDArray[np.float64] = scale * self.weight
        return kernel


@dataclass(frozen=True)
class Quantization:
    """The record of an int8 net.

    Args:
        layers: by name, in order of execution.
        grids: by the name of what computes the values: the input, each convolution, the average pool.
        calibration: on what pictures and by what method it was made, as JSON can hold it.
    """

    layers: Mapping[str, QuantizedLayer]
    grids: Mapping[str, Grid]
    calibration: Mapping[str, Any]

    def save(self, path: str | Path) -> None:
        """Write the file; equal records give equal bytes."""
        tensors = {
            f"{name}.{part}": np.ascontiguousarray(getattr(layer, part))
            for name, layer in self.layers.items()
            for part in _PARTS
        }
        value = {
            "calibration": dict(self.calibration),
            "grids": {name: [grid.scale, grid.zero_point] for name, grid in self.grids.items()},
            "layers": list(self.layers),
        }
        with replace_file(Path(path)) as temporary:
            save_file(tensors, temporary, metadata={_KEY: json.dumps(value, sort_keys=True)})

    @classmethod
    def load(cls, path: str | Path) -> Quantization:
        """Read a file written by `save`.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is damaged or holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no record of a quantization {path}")
        try:
            with safe_open(path, framework="np") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
                value = json.loads((file.metadata() or {})[_KEY])
            layers = {
                name: QuantizedLayer(**{part: tensors.pop(f"{name}.{part}") for part in _PARTS})
                for name in value["layers"]
            }
            grids = {name: Grid(scale, zero_point) for name, (scale, zero_point) in value["grids"].items()}
            if tensors:
                raise ValueError(f"{sorted(tensors)[0]} belongs to no layer")
            return cls(layers, grids, value["calibration"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no record of a quantization, or is damaged: {error!r}") from error
