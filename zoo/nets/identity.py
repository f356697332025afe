"""What a Dirac layer's alpha and beta say after training: how much of each filter is the identity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from zoo.nets.conv import DiracConv2d
from zoo.nets.kernel import dirac_delta


@dataclass(frozen=True)
class IdentityShare:
    """A Dirac layer after training: medians over its filters that have an identity.

    Args:
        name: its name in the net.
        alpha: the factor of the identity, as it is.
        beta: the factor of the normalized filter, as it is.
        share: the identity's share of a filter's squared norm, alpha² / (alpha² + beta²), percent.
    """

    name: str
    alpha: float
    beta: float
    share: float


def identity_shares(net: nn.Module) -> Iterator[IdentityShare]:
    """Yield the medians of a net's Dirac layers in order, as they are.

    Example:
        >>> import zoo
        >>> net = zoo.get_model("diracnet10_cifar", weights="cifar10")
        >>> next(identity_shares(net)).name
        'group0.block0'
    """
    for name, module in net.named_modules():
        if isinstance(module, DiracConv2d):
            there = has_identity(module)
            alpha, beta = (each.detach().double().expand(len(there))[there] for each in (module.alpha, module.beta))
            share = 100 * alpha.square() / (alpha.square() + beta.square())
            yield IdentityShare(name.removesuffix(".conv"), *(_median(values) for values in (alpha, beta, share)))


def has_identity(layer: DiracConv2d) -> torch.Tensor:
    """Return which filters of a layer have an identity, bool, (out_channels,); the alpha of the others has no effect.

    Example:
        >>> import zoo
        >>> has_identity(zoo.DiracConv2d(2, 3, 3, padding=1)).tolist()
        [True, True, False]
    """
    delta = dirac_delta(layer.weight.detach(), groups=layer.groups, delta=layer.delta)
    return delta.flatten(1).any(dim=1)


def _median(values: torch.Tensor) -> float:
    return float(values.quantile(0.5))
