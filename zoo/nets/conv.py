"""Dirac convolutions: the layers built on the parametrization of `zoo.nets.kernel`, and NCReLU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
import torch.fx
from torch import Tensor, nn

from zoo.nets.kernel import Composed, Delta, Scale, check_kernel, compose_kernel, dirac_weight

torch.fx.wrap("compose_kernel")  # a leaf to torch.fx wherever it is called from this file

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d

STOCK: Mapping[int, type[Conv]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
"""The stock convolutions by number of dimensions."""

INITIAL_SCALES: dict[Scale, tuple[float, float]] = {"channel": (1.0, 0.1), "scalar": (5.0, 1e-3)}
"""Initial (alpha, beta) as in upstream's training code (diracnet.py on its branches master and v1)."""


def draw_weight(weight: Tensor) -> None:
    """Draw a convolution's weight as upstream does (He et al.'s normal), unless the tensor has no storage to fill."""
    if not weight.is_meta:  # PyTorch would import its compiler, which takes seconds
        nn.init.kaiming_normal_(weight, nonlinearity="relu")


def allocate(module: nn.Module, device: torch.device | str = "cpu") -> nn.Module:
    """Give a module on the meta device memory, in place, whose values are still to be set; return the module.

    As `nn.Module.to_empty` does, which imports PyTorch's symbolic shapes and sympy for it.
    """
    module._apply(lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype, device=device))
    return module


def check_identity(conv: nn.Module, delta: Delta) -> None:
    """Raise ValueError if a convolution of conv's geometry has no identity kernel, TypeError for other modules."""
    kinds = (_DiracConv, *STOCK.values())
    if not isinstance(conv, kinds) or isinstance(conv.weight, nn.UninitializedParameter):
        raise TypeError(f"expected an initialised Conv1d, Conv2d or Conv3d, got {type(conv).__name__}")
    if any(stride != 1 for stride in conv.stride):
        raise ValueError(
            f"stride={conv.stride}: a Dirac convolution has stride 1, because the identity keeps its input's size; "
            "pool before or after it to reduce the size"
        )
    check_kernel(conv.weight.shape, conv.groups, delta)


def initial_scales(conv: nn.Module, scale: Scale) -> tuple[nn.Parameter, nn.Parameter]:
    """Return new alpha and beta for a convolution, shaped and initialised as `scale` says."""
    if scale not in INITIAL_SCALES:
        raise ValueError(f"scale={scale!r}: allowed are {', '.join(map(repr, INITIAL_SCALES))}")
    weight = cast(Tensor, conv.weight)
    size = weight.shape[0] if scale == "channel" else 1
    alpha, beta = (
        nn.Parameter(torch.full((size,), value, dtype=weight.dtype, device=weight.device))
        for value in INITIAL_SCALES[scale]
    )
    return alpha, beta


def plain_conv(conv: nn.Module, weight: Tensor, bias: Tensor | None) -> Conv:
    """Return a new stock convolution of conv's geometry, device, dtype and mode, with this kernel and bias."""
    source = cast(nn.Conv2d, conv)  # or another dimension, whose attributes have the same names
    kind = STOCK[len(source.kernel_size)]
    own = next(source.parameters())
    plain: Conv = kind(
        source.in_channels,
        source.out_channels,
        cast(Any, source.kernel_size),
        stride=cast(Any, source.stride),
        padding=cast(Any, source.padding),
        dilation=cast(Any, source.dilation),
        groups=source.groups,
        bias=bias is not None,
        padding_mode=source.padding_mode,
        device="meta",  # drawing initial values would advance the user's random numbers
        dtype=own.dtype,
    ).train(source.training)
    allocate(plain, own.device)
    with torch.no_grad():
        plain.weight.copy_(weight)
        if plain.bias is not None and bias is not None:
            plain.bias.copy_(bias)
    return plain


class _DiracConv(nn.modules.conv._ConvNd):
    """The common base of the three Dirac convolutions.

    They have the attributes of stock convolutions but do not derive from them: code that scales the weight of every
    `nn.Conv2d`, for instance to fuse BatchNorm, takes the weight for the kernel.
    """

    dims: ClassVar[int]
    composed: Composed | None = None
    """The kernel, within `zoo.composed_together`."""
    _loading = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        scale: Scale = "channel",
        delta: Delta = "dirac",
    ) -> None:
        cast(Any, super()).__init__(
            in_channels,
            out_channels,
            self._spread(kernel_size),
            self._spread(stride),
            padding if isinstance(padding, str) else self._spread(padding),
            self._spread(dilation),
            False,  # transposed
            self._spread(0),  # output_padding
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )
        check_identity(self, delta)
        self.scale, self.delta = scale, delta
        self.alpha, self.beta = initial_scales(self, scale)

    def _spread(self, value: int | tuple[int, ...]) -> tuple[int, ...]:
        return (value,) * self.dims if isinstance(value, int) else tuple(value)

    def reset_parameters(self) -> None:
        """Draw the weight by `draw_weight`; set alpha, beta and bias to their initial values."""
        draw_weight(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if hasattr(self, "alpha"):  # absent while the base class's constructor runs
            for parameter, value in zip((self.alpha, self.beta), INITIAL_SCALES[self.scale], strict=True):
                nn.init.constant_(parameter, value)

    def composed_weight(self) -> Tensor:
        """Return the kernel that the layer convolves with, of weight's shape."""
        parts = self.weight, self.alpha, self.beta
        # A compiler gets the composition in its graph.
        if not torch.compiler.is_compiling() and self.composed is not None and self.composed.holds_for(parts):
            return self.composed.kernel
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        return compose_kernel(*parts, shape, self.groups, self.delta, per_channel=self.scale == "channel")

    def forward(self, input: Tensor) -> Tensor:
        """Convolve, with shapes as in the plain convolution of the same arguments."""
        if isinstance(input, Tensor) and input.is_quantized:  # no Tensor where torch.fx traces
            raise RuntimeError(cannot_quantize(self))
        return self._conv_forward(input, self.composed_weight(), self.bias)

    def fold(self) -> Conv:
        """Return a new plain convolution that computes the same, its kernel composed in float64."""
        parts = (part.detach() for part in (self.weight, self.alpha, self.beta))
        # On the CPU because not every accelerator has float64.
        parts = (part.double() if part.is_meta else part.cpu().double() for part in parts)
        return plain_conv(self, dirac_weight(*parts, groups=self.groups, delta=self.delta), self.bias)

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """Refuse to replace the weight, which is how PyTorch and others fuse BatchNorm."""
        # Other types, such as DTensor, come from code that distributes parameters.
        replaces = name == "weight" and self._parameters.get(name) is not None and type(param) is nn.Parameter
        if replaces and not self._loading:
            raise RuntimeError(cannot_assign(self, "layer.weight"))
        super().register_parameter(name, param)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._loading = True  # load_state_dict(…, assign=True) may replace the weight
        try:
            super()._load_from_state_dict(*args, **kwargs)
        finally:
            del self._loading

    def __getstate__(self) -> dict[str, Any]:
        # Copies and pickles made within `zoo.composed_together` compose by themselves.
        state: dict[str, Any] = cast(Any, super()).__getstate__()
        return {name: value for name, value in state.items() if name != "composed"}

    def __prepare_scriptable__(self) -> nn.Module:
        raise RuntimeError(cannot_script(self))

    def extra_repr(self) -> str:
        return f"{cast(Any, super()).extra_repr()}, scale={self.scale}, delta={self.delta}"


def cannot_assign(module: nn.Module, weight: str) -> str:
    """Return the error message for code that assigns a kernel to a module that computes its own, to fuse BatchNorm."""
    return (
        f"{module} was given another weight, but it computes its kernel, so that no BatchNorm can be fused into it by "
        f"scaling its weight. Fold the net first, by export.fold(net). To set the raw weight, copy into it: "
        f"{weight}.data.copy_(values)"
    )


def cannot_quantize(module: nn.Module) -> str:
    """Return the error message for PyTorch's quantizers, which would have to know how the kernel is composed."""
    return f"PyTorch cannot quantize {module}. Fold the net first, by export.fold(net), and quantize the result"


def cannot_script(module: nn.Module) -> str:
    """Return the error message for passing a module with a Dirac kernel to `torch.jit.script`."""
    return (
        f"torch.jit.script cannot compile {module}. Fold the net first, by export.fold(net), and script the result; "
        "or use torch.jit.trace or torch.export"
    )


class DiracConv1d(_DiracConv):
    """A drop-in for `torch.nn.Conv1d` with the Dirac parametrization; see `DiracConv2d`."""

    dims = 1
    _conv_forward = nn.Conv1d._conv_forward


class DiracConv2d(_DiracConv):
    """A drop-in for `torch.nn.Conv2d` with the Dirac parametrization (arXiv 1706.00388, section 2).

    Takes Conv2d's arguments and two keywords. The state dict holds `weight`, `alpha`, `beta` and, if any, `bias`; delta
    is never stored. It is not an instance of `nn.Conv2d`, because its `weight` is not its kernel, as code that fuses
    BatchNorm into every `nn.Conv2d` would assume; `export.fold` turns it into one.

    Example:
        >>> import torch, zoo
        >>> layer = zoo.DiracConv2d(16, 32, 3, padding=1, bias=False)
        >>> layer(torch.randn(2, 16, 8, 8)).shape
        torch.Size([2, 32, 8, 8])
        >>> list(layer.state_dict())
        ['weight', 'alpha', 'beta']

    Args:
        scale: "channel" gives alpha and beta of shape (out,) (version 2), "scalar" of shape (1,) (version 1).
        delta: "dirac" leaves the rows beyond min(in, out) without an identity, as `torch.nn.init.dirac_` does; "tiled"
            repeats the square identity over the larger side (version 1).

    Raises:
        ValueError: the stride is not 1, a kernel size is even, or the channels admit no identity.
        RuntimeError: its weight is replaced by another parameter, or `torch.jit.script` compiles it.
    """

    dims = 2
    _conv_forward = nn.Conv2d._conv_forward


class DiracConv3d(_DiracConv):
    """A drop-in for `torch.nn.Conv3d` with the Dirac parametrization; see `DiracConv2d`."""

    dims = 3
    _conv_forward = nn.Conv3d._conv_forward


class NCReLU(nn.Module):
    """Negative concatenated ReLU: `cat(max(x, 0), min(x, 0))` along the channels (arXiv 1706.00388, section 2.2).

    (batch, C, *) → (batch, 2 C, *). Unlike CReLU it keeps the sign of the negative half.
    """

    def forward(self, input: Tensor) -> Tensor:
        # Not clamp, because torch.jit.optimize_for_inference expects both of its bounds.
        return torch.cat((input.clamp_min(0), input.clamp_max(0)), dim=1)
