"""An int8 net computed in whole numbers, from its record alone: what every runtime's int8 arithmetic must come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from export.folding.chain import leaves
from export.int8.activation import decode, encode
from export.int8.record import STEPS, Grid, Quantization
from export.layout import INPUT
from zoo import NCReLU


@torch.inference_mode()
def evaluate_integers(folded: nn.Sequential, record: Quantization, batch: Tensor) -> dict[str, Tensor]:
    """Return what every leaf of a folded net computes in its int8 form, float32.

    Sums of products are exact. What leaves a sum is multiplied in float32 and rounded to the nearest whole number, as
    in ONNX Runtime. Outputs are in the units of the float net: the record's gains are undone.

    Args:
        folded: the net.
        record: of its quantization; `export.int8.layers.misfits` tells whether it is this net's.
        batch: (batch, channels, height, width), float32.
    """
    grid = record.grids[INPUT]
    value = encode(batch, grid).double() - grid.zero_point  # whole numbers, in units of the grid's scale
    gain, outputs = torch.ones(1), {}
    for name, module in leaves(folded):
        match module:
            case nn.Conv2d() | nn.Linear():
                sums, units = _product(module, record, name, value, grid)
                gain = torch.from_numpy(record.layers[name].gain)
                outputs[name] = _shaped(units, sums) * sums.float() / _shaped(gain, sums)
                if isinstance(module, nn.Linear):
                    return outputs
                new = record.grids[name]
                value = _onto(new, sums, _shaped(units / new.scale, sums))
                grid = new
                continue
            case nn.AdaptiveAvgPool2d():
                sums, count = value.sum((2, 3), keepdim=True), value.shape[2] * value.shape[3]
                outputs[name] = (sums / count).float() * grid.scale / _shaped(gain, sums)
                new = record.grids[name]
                value = _onto(new, sums, torch.tensor(np.float32(grid.scale) / np.float32(new.scale * count)))
                grid = new
                continue
            case NCReLU():
                value, gain = torch.cat((value, value.clamp_min(0)), dim=1), gain.repeat(2)
            case _:  # a ReLU, a max-pool or a Flatten
                value = module(value)
        outputs[name] = decode(value + grid.zero_point, grid) / _shaped(gain, value)
    return outputs


def _product(module: Any, record: Quantization, name: str, value: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Return a layer's sums, whole numbers, and the unit of each channel."""
    layer = record.layers[name]
    weight, bias = torch.from_numpy(layer.weight).double(), torch.from_numpy(layer.bias).double()
    units = torch.from_numpy(layer.scale * np.float32(grid.scale))
    if isinstance(module, nn.Linear):
        return nn.functional.linear(value, weight, bias), units
    sums = nn.functional.conv2d(value, weight, bias, module.stride, module.padding, module.dilation)
    return sums, units


def _onto(grid: Grid, sums: Tensor, factor: Tensor) -> Tensor:
    """Return sums on another grid: rounded half to even, and clipped."""
    codes = ((sums.float() * factor).round() + grid.zero_point).clamp(0, STEPS)
    return codes.double() - grid.zero_point


def _shaped(vector: Tensor, like: Tensor) -> Tensor:
    return vector.reshape(1, -1, *[1] * (like.ndim - 2))
