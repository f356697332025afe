"""Whether a record is that of a net: the same layers and activations, and weights within a step of the net's."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from export.folding.chain import leaves
from export.int8.adaround import absmax_scales
from export.int8.calibration import with_room
from export.int8.equalization import equalize
from export.int8.layers import layers
from export.int8.record import WEIGHT_MAX, Quantization
from export.layout import INPUT

_ROUNDING = 1e-3  # in steps: folding on another processor may round weights differently


def mismatches(record: Quantization, folded: nn.Sequential) -> Iterator[str]:
    """Yield a phrase for each part of a record that does not belong to a quantization of this net.

    Every quantized weight lies within one step of the net's weight, or is saturated, and no step is larger than the
    filter's largest weight or its bias needs: `export.int8.calibration` sees to that.

    Example:
        >>> list(mismatches(record, export.fold(zoo.get_model("diracnet16_cifar").eval())))
        ["the quantization's weight of conv is up to ... steps from the net's"]
    """
    chain = layers(folded)
    expected = {INPUT, *(layer.name for layer in chain[:-1])}
    pools = {name for name, module in leaves(folded) if isinstance(module, nn.AdaptiveAvgPool2d)}
    expected |= pools
    if record.activations.keys() != expected or list(record.layers) != [layer.name for layer in chain]:
        yield "the quantization has other layers or activations than the net"
        return
    for layer in chain:
        found = record.layers[layer.name]
        if found.weight.shape != layer.kernel.shape:
            yield f"the quantization's weight of {layer.name} has another shape than the net's"
            return
    gains = {name: torch.from_numpy(layer.gain) for name, layer in record.layers.items()}
    inputs = dict(zip(record.layers, [INPUT, *record.layers], strict=False))
    inputs |= {layer.name: name for layer in chain if layer.pooled for name in pools}
    for layer in equalize(chain, gains):
        found = record.layers[layer.name]
        scale = torch.from_numpy(found.scale).double()
        exact = (layer.kernel.flatten(1) / scale[:, None]).clamp(-WEIGHT_MAX, WEIGHT_MAX)
        furthest = (torch.from_numpy(found.weight).double().flatten(1) - exact).abs().max().item()
        if not furthest <= 1 + _ROUNDING:
            yield f"the quantization's weight of {layer.name} is up to {furthest:.1f} steps from the net's"
            continue
        # In large steps any weight is near to any other.
        most = with_room(absmax_scales(layer.kernel.flatten(1)), layer, record.activations[inputs[layer.name]])
        coarsest = torch.where(layer.live, scale / most, 0.0).max().item()
        if not coarsest <= 1 + _ROUNDING:
            yield f"the quantization's steps of {layer.name} are up to {coarsest:.3g} times as large as it needs"
