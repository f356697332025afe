"""The kernels of many Dirac layers, composed at once: with thin layers the calls cost more than the numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nets.conv import DiracConv1d, DiracConv2d, DiracConv3d, dirac_weight

_Layer = DiracConv1d | DiracConv2d | DiracConv3d


@contextmanager
def composed_together(net: nn.Module) -> Iterator[None]:
    """Within it, all Dirac layers of `net` that are alike get their kernels from one composition.

    Their outputs and gradients are those of layers that compose by themselves. Enter it for each forward pass of a
    training step: the kernels are composed on entering, and weights that change meanwhile have no effect.

    ```
    with zoo.composed_together(net):
        loss = criterion(net(pictures), targets)
    loss.backward()
    ```
    """
    layers = [module for module in net.modules() if isinstance(module, _Layer)]
    alike: dict[Any, list[_Layer]] = defaultdict(list)
    for layer in layers:
        weight = layer.weight
        alike[weight.shape, weight.dtype, weight.device, layer.groups, layer.delta, layer.scale].append(layer)
    try:
        for several in alike.values():
            for layer, kernel in zip(several, _kernels(several), strict=True):
                layer.composed = kernel
        yield
    finally:
        for layer in layers:
            layer.composed = None


def _kernels(layers: list[_Layer]) -> tuple[Tensor, ...]:
    """Return the kernels of layers that are alike: together they are one layer of as many groups more."""
    first, count = layers[0], len(layers)
    weight, alpha, beta = (
        torch.cat([getattr(layer, name) for layer in layers]) for name in ("weight", "alpha", "beta")
    )
    if first.scale == "scalar" and count > 1:
        alpha, beta = (values.repeat_interleave(len(weight) // count) for values in (alpha, beta))
    return dirac_weight(weight, alpha, beta, groups=first.groups * count, delta=first.delta).chunk(count)
