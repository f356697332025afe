"""The Dirac parametrization for convolutions that users already have."""

from __future__ import annotations

from typing import TypeVar, cast

from torch import Tensor, nn
from torch.nn.utils import parametrize

from zoo.nets.conv import (
    Delta,
    DiracConv1d,
    DiracConv2d,
    DiracConv3d,
    Scale,
    check_identity,
    dirac_weight,
    initial_scales,
)

Conv = TypeVar("Conv", nn.Conv1d, nn.Conv2d, nn.Conv3d)


class DiracParametrization(nn.Module):
    """Maps a convolution's raw weight to its Dirac kernel; holds alpha and beta."""

    def __init__(self, conv: nn.Module, *, scale: Scale, delta: Delta) -> None:
        super().__init__()
        check_identity(conv, delta)
        self.groups, self.delta = cast(int, conv.groups), delta
        self.alpha, self.beta = initial_scales(conv, scale)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the composed kernel, of weight's shape."""
        return dirac_weight(weight, self.alpha, self.beta, groups=self.groups, delta=self.delta)


def dirac(module: Conv, name: str = "weight", *, scale: Scale = "channel", delta: Delta = "dirac") -> Conv:
    """Give a convolution of yours the Dirac parametrization, in place like `torch.nn.utils.parametrizations`.

    The raw weight moves to `parametrizations.weight.original`; alpha and beta are trained beside it.
    `torch.nn.utils.parametrize.remove_parametrizations(module, "weight")` folds it: what remains is the plain
    convolution that computes the same. Save such a module by its state_dict.

    Args:
        module: a Conv1d, Conv2d or Conv3d with stride 1 and odd kernel sizes.
        name: its kernel; always "weight" in stock convolutions.
        scale: as in `zoo.DiracConv2d`.
        delta: as in `zoo.DiracConv2d`.

    Returns:
        The same module.

    Raises:
        TypeError: module is no such convolution.
        ValueError: its geometry has no identity, it has the parametrization already, or name is not its kernel.
    """
    if name != "weight":
        raise ValueError(f"name={name!r}: only the kernel, 'weight', has a Dirac parametrization")
    if isinstance(module, (DiracConv1d, DiracConv2d, DiracConv3d)):
        raise ValueError(f"{type(module).__name__} is a Dirac convolution already")
    if parametrize.is_parametrized(module, name):
        raise ValueError(
            f"the {name} of {type(module).__name__} is parametrized already; remove that parametrization first"
        )
    parametrize.register_parametrization(module, name, DiracParametrization(module, scale=scale, delta=delta))
    return module
