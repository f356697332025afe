"""Cross-layer equalization (Nagel et al., arXiv 1906.04721): channels are rescaled so that int8 represents all well.

ReLU, NCReLU and pools commute with factors above zero. A channel may therefore leave its layer larger, by its gain, if
the next layer's weights for it are smaller by the same factor: the float net computes the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from export.int8 import ncrelu
from export.int8.layers import Layer

_LARGEST_GAIN = 64.0


def equalizing_gains(chain: Sequence[Layer], largest: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return gains that balance, channel by channel, an activation's range and the weights that it is multiplied by.

    All channels of an activation share a scale, which the largest channel decides, and all weights of a filter share
    one, which the largest weight decides. So the channels should have equal ranges, and a filter's weights should be
    equally large. The two conflict; the gain sqrt(weights / range) gives half of what it wants to each.

    Args:
        chain: a net's layers.
        largest: for each layer but the last its largest absolute output per channel, as `run` returns them.

    Returns:
        For each of these layers a factor per channel, (out,) in float32, from 1/64 to 64.
    """
    gains = {}
    for layer, following in pairwise(chain):
        channels = len(layer.bias)
        columns = following.kernel.flatten(2) if following.kernel.ndim > 2 else following.kernel[..., None]
        # Behind an NCReLU a channel has two columns, one in each half, and both get the same gain.
        weights = columns.square().mean((0, 2)).reshape(-1, channels).mean(0).sqrt()
        balance = (weights / largest[layer.name].double()).sqrt()
        # Channels that are always zero, or that nothing reads, stay as they are.
        usable = balance.isfinite() & (balance > 0)
        middle = balance[usable].median() if usable.any() else torch.tensor(1.0)
        relative = (balance / middle).clamp(1 / _LARGEST_GAIN, _LARGEST_GAIN)
        gains[layer.name] = torch.where(usable, relative, 1.0).float()
    return gains


def equalize(chain: Sequence[Layer], gains: Mapping[str, Tensor]) -> tuple[Layer, ...]:
    """Return a chain whose channels are scaled and which computes the same.

    Args:
        chain: a net's layers.
        gains: for layers by name the factors, above zero, by which their channels are scaled; others stay.
    """
    scaled = []
    inputs = torch.ones(1, dtype=torch.float64)
    for layer in chain:
        outputs = gains.get(layer.name, torch.ones(len(layer.bias))).double()
        inputs = ncrelu.gains(inputs) if layer.has_ncrelu else inputs
        shape = [1] * (layer.kernel.ndim - 2)
        kernel = layer.kernel * outputs.reshape(-1, 1, *shape) / inputs.reshape(1, -1, *shape)
        scaled.append(replace(layer, kernel=kernel, bias=layer.bias * outputs))
        inputs = outputs
    return tuple(scaled)
