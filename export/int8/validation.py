"""Whether a record is that of a net: the same layers and activations, and weights within a step of the net's."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from export.folding.chain import leaves
from export.int8.equalization import equalize
from export.int8.layers import layers
from export.int8.record import WEIGHT_MAX, Quantization
from export.layout import INPUT

_ROUNDING = 1e-3  # in steps: folding on another processor may round weights differently


def mismatches(record: Quantization, folded: nn.Sequential) -> Iterator[str]:
    """Yield a phrase for each part of a record that does not belong to a quantization of this net.

    Every quantized weight lies within one step of the net's weight, or is saturated: both ways of rounding in
    `export.int8.adaround` see to that.

    Example:
        >>> list(mismatches(record, export.fold(zoo.get_model("diracnet16_cifar").eval())))
        ["the quantization's weight of conv is up to ... steps from the net's"]
    """
    chain = layers(folded)
    expected = {INPUT, *(layer.name for layer in chain[:-1])}
    expected |= {name for name, module in leaves(folded) if isinstance(module, nn.AdaptiveAvgPool2d)}
    if record.activations.keys() != expected or list(record.layers) != [layer.name for layer in chain]:
        yield "the quantization has other layers or activations than the net"
        return
    for layer in chain:
        found = record.layers[layer.name]
        if found.weight.shape != layer.kernel.shape:
            yield f"the quantization's weight of {layer.name} has another shape than the net's"
            return
    gains = {name: torch.from_numpy(layer.gain) for name, layer in record.layers.items()}
    for layer in equalize(chain, gains):
        found = record.layers[layer.name]
        scale = torch.from_numpy(found.scale).double().reshape(-1, *[1] * (layer.kernel.ndim - 1))
        exact = (layer.kernel / scale).clamp(-WEIGHT_MAX, WEIGHT_MAX)
        furthest = (torch.from_numpy(found.weight).double() - exact).abs().max().item()
        if not furthest <= 1 + _ROUNDING:
            yield f"the quantization's weight of {layer.name} is up to {furthest:.1f} steps from the net's"
