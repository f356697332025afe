"""The kernels of many Dirac layers, composed at once: with thin layers the calls cost more than the numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo.nets.conv import DiracConv1d, DiracConv2d, DiracConv3d
from zoo.nets.kernel import Composed, Parts, dirac_weight

_Layer = DiracConv1d | DiracConv2d | DiracConv3d


@contextmanager
def composed_together(net: nn.Module) -> Iterator[None]:
    """Within it, all Dirac layers of `net` that are alike get their kernels from one composition.

    Outputs and gradients are those of layers that compose by themselves. Enter it for each forward pass of a training
    step: the kernels are composed on entering. A layer whose weight, alpha or beta has changed since then composes by
    itself, as do layers whose weight is made at call time (by pruning, `weight_norm`, `torch.func.functional_call`)
    and whatever runs under activation checkpointing or is compiled or traced. PyTorch does not count writes through
    `.data`: do those before you enter it.

    Example:
        >>> import torch, zoo
        >>> net = zoo.get_model("diracnet10_cifar")
        >>> with zoo.composed_together(net):
        ...     loss = net(torch.randn(2, 3, 32, 32)).square().mean()
        >>> loss.backward()
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"expected an nn.Module, got {type(net).__name__}")
    alike: dict[Any, list[tuple[_Layer, Parts]]] = defaultdict(list)
    for layer in net.modules():
        if isinstance(layer, _Layer) and (parts := _parts(layer)):
            weight = parts[0]
            key = weight.shape, weight.dtype, weight.device, layer.groups, layer.delta, layer.scale
            alike[key].append((layer, parts))
    # Blocks may be nested.
    before = [(layer, layer.composed) for several in alike.values() for layer, _ in several]
    try:
        for several in alike.values():
            for (layer, parts), kernel in zip(several, _kernels(several), strict=True):
                layer.composed = Composed.of(kernel, parts)
        yield
    finally:
        for layer, composed in before:
            layer.composed = composed


def _parts(layer: _Layer) -> Parts | None:
    """Return what a layer's kernel is composed from, or None if its weight is made or gathered at each call."""
    parts = tuple(layer._parameters.get(name) for name in ("weight", "alpha", "beta"))
    if not all(type(part) is nn.Parameter and not part.is_inference() for part in parts):
        return None
    found = cast(Parts, parts)
    return found if found[0].ndim > 2 else None  # between calls a sharded weight is a vector


def _kernels(alike: list[tuple[_Layer, Parts]]) -> tuple[Tensor, ...]:
    """Compose the kernels of `n` identical layers in one call, as if they were one layer with `n` times the groups."""
    (first, _), count = alike[0], len(alike)
    weight, alpha, beta = (torch.cat(several) for several in zip(*(parts for _, parts in alike), strict=True))
    if first.scale == "scalar" and count > 1:
        alpha, beta = (values.repeat_interleave(len(weight) // count) for values in (alpha, beta))
    return dirac_weight(weight, alpha, beta, groups=first.groups * count, delta=first.delta).chunk(count)
