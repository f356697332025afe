"""The Dirac parametrization for convolutions that users already have."""

from __future__ import annotations

from typing import TypeVar, cast

import torch.fx
from torch import Tensor, nn
from torch.nn.utils import parametrize

from zoo.nets.conv import (
    DiracConv1d,
    DiracConv2d,
    DiracConv3d,
    cannot_assign,
    cannot_quantize,
    cannot_script,
    check_identity,
    initial_scales,
)
from zoo.nets.kernel import Delta, Scale, compose_kernel

torch.fx.wrap("compose_kernel")  # a leaf to torch.fx wherever it is called from this file

Conv = TypeVar("Conv", nn.Conv1d, nn.Conv2d, nn.Conv3d)


class DiracParametrization(nn.Module):
    """Maps a convolution's raw weight to its Dirac kernel; holds alpha and beta."""

    def __init__(self, conv: nn.Module, *, scale: Scale, delta: Delta) -> None:
        super().__init__()
        check_identity(conv, delta)
        self.shape, self.groups = tuple(cast(Tensor, conv.weight).shape), cast(int, conv.groups)
        self.scale, self.delta = scale, delta
        self.alpha, self.beta = initial_scales(conv, scale)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the composed kernel, of weight's shape."""
        per_channel = self.scale == "channel"
        return compose_kernel(
            weight, self.alpha, self.beta, self.shape, self.groups, self.delta, per_channel=per_channel
        )

    def __prepare_scriptable__(self) -> nn.Module:
        raise RuntimeError(cannot_script(self))

    def extra_repr(self) -> str:
        # PyTorch's quantizer refuses such a layer before a BatchNorm with an error that quotes this.
        return f"{self.shape}, groups={self.groups}, scale={self.scale}, delta={self.delta}; plain by export.fold(net)"


def _register_parameter(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
    """Register a parameter, but refuse to replace the weight, which is computed."""
    if name == "weight" and parametrize.is_parametrized(self, name):
        raise RuntimeError(cannot_assign(self, "conv.parametrizations.weight.original"))
    nn.Module.register_parameter(self, name, param)


def _refuse_qconfig(self: nn.Module, qconfig: object) -> None:
    """Refuse what PyTorch's quantizers give to each module that they are to quantize."""
    if qconfig is not None:
        raise RuntimeError(cannot_quantize(self))


def dirac(module: Conv, name: str = "weight", *, scale: Scale = "channel", delta: Delta = "dirac") -> Conv:
    """Give an existing convolution the Dirac parametrization, in place like `torch.nn.utils.parametrizations`.

    The raw weight moves to `parametrizations.weight.original`; alpha and beta are trained alongside it. Save such a
    module by its state_dict. `export.fold` folds it and leaves the original as it is. So does
    `torch.nn.utils.parametrize.remove_parametrizations(module, "weight")`, in place, but never call that on a deepcopy
    of the module, or on a module that was deepcopied: PyTorch makes both share one class, and the other one breaks.

    Example:
        >>> import torch, zoo
        >>> conv = zoo.dirac(torch.nn.Conv2d(4, 4, 3, padding=1))
        >>> sorted(conv.state_dict())[1:3]
        ['parametrizations.weight.0.alpha', 'parametrizations.weight.0.beta']
        >>> import export
        >>> type(export.fold(conv.eval()))
        <class 'torch.nn.modules.conv.Conv2d'>

    Args:
        module: a Conv1d, Conv2d or Conv3d with stride 1 and odd kernel sizes.
        name: name of its kernel; always "weight" in stock convolutions.
        scale: as in `zoo.DiracConv2d`.
        delta: as in `zoo.DiracConv2d`.

    Returns:
        The same module.

    Raises:
        TypeError: module is not one of these.
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
    # The class is one that PyTorch has just made for this module.
    type(module).register_parameter = _register_parameter  # type: ignore[method-assign]
    type(module).qconfig = property(fset=_refuse_qconfig)  # type: ignore[attr-defined]
    return module
