"""Dirac convolutions: the parametrization, the layers built on it, and NCReLU.

Source: Zagoruyko and Komodakis, "DiracNets: Training Very Deep Neural Networks Without Skip-Connections"
(arXiv 1706.00388), section 2. A layer convolves with

    w_hat = diag(alpha) * delta + diag(beta) * normalize(w)

where `delta` is the kernel of the identity convolution and `normalize` divides each output filter by its
Euclidean norm. The identity path of a residual block thereby lives inside the kernel, and at inference the layer
is an ordinary convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

Scale = Literal["channel", "scalar"]
"""Whether alpha and beta hold one value per output channel (version 2) or one for the layer (version 1)."""

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d

Delta = Literal["dirac", "tiled"]
"""Which delta: as `torch.nn.init.dirac_` makes it (version 2), or the square identity tiled (version 1)."""

INITIAL_SCALES: dict[Scale, tuple[float, float]] = {"channel": (1.0, 0.1), "scalar": (5.0, 1e-3)}
"""Initial (alpha, beta) as in upstream's training code (diracnet.py on its branches master and v1)."""


def dirac_weight(weight: Tensor, alpha: Tensor, beta: Tensor, *, groups: int = 1, delta: Delta = "dirac") -> Tensor:
    """Return `alpha * delta + beta * normalize(weight)`, differentiable in all three.

    `delta` has at most one entry per row and tap, so alpha is added through a view of the centre tap; no dense
    delta is made and the cost is that of scaling the weight.

    Args:
        weight: (out, in / groups, *kernel) with odd kernel sizes.
        alpha: (out,) or (1,).
        beta: (out,) or (1,).
        groups: channel groups of the convolution; every group has an identity of its own.
        delta: "dirac" or "tiled", see `Delta`.

    Returns:
        A new tensor of weight's shape and dtype.

    Raises:
        ValueError: such a kernel has no identity.
    """
    check_kernel(weight.shape, groups, delta)
    # 1e-12 is the bound of torch.nn.functional.normalize; it is zero in float16, where tiny takes its place.
    bound = max(1e-12, torch.finfo(weight.dtype).tiny)
    # Dimensions by name, because to flatten a weight in channels_last is to copy it; and few calls, because thin layers
    # spend their time on those.
    norm = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True).clamp(min=bound)
    composed: Tensor = weight * (beta.view(-1, *[1] * (weight.ndim - 1)) / norm)

    centre = composed
    for size in weight.shape[2:]:
        centre = centre.select(2, size // 2)
    rows, columns = weight.shape[0] // groups, weight.shape[1]
    square = min(rows, columns)
    down, across = (rows // square, columns // square) if delta == "tiled" else (1, 1)
    centre = centre.view(groups, rows, columns)[:, : down * square, : across * square]
    # The identities are the diagonals over row and column of each tile.
    ones = centre.view(groups, down, square, across, square).diagonal(dim1=2, dim2=4)
    if alpha.numel() > 1:
        alpha = alpha.view(groups, rows)[:, : down * square].view(groups, down, 1, square)
    ones.add_(alpha)
    return composed


def dirac_delta(weight: Tensor, *, groups: int = 1, delta: Delta = "dirac") -> Tensor:
    """Return the dense delta that belongs to a kernel of weight's shape, dtype and device.

    For looking at and testing; the layers never build it.
    """
    one = torch.ones(1, dtype=weight.dtype, device=weight.device)
    return dirac_weight(torch.zeros_like(weight), one, torch.zeros_like(one), groups=groups, delta=delta)


def check_kernel(shape: Sequence[int], groups: int, delta: Delta) -> None:
    """Raise ValueError where a kernel of this shape, (out, in / groups, *kernel), has no identity."""
    rows, channels = shape[0] // groups, shape[1]
    if delta not in get_args(Delta):
        raise ValueError(f"delta={delta!r}: allowed are {', '.join(map(repr, get_args(Delta)))}")
    if any(size % 2 == 0 for size in shape[2:]):
        raise ValueError(
            f"kernel_size={tuple(shape[2:])}: a Dirac kernel has odd sizes, because the identity needs a centre tap"
        )
    if shape[0] % groups or rows == 0 or channels == 0:
        raise ValueError(f"out_channels={shape[0]}, groups={groups}: every group needs the same number, at least 1")
    if delta == "tiled" and max(rows, channels) % min(rows, channels):
        raise ValueError(
            f"in_channels={channels * groups}, out_channels={shape[0]}, groups={groups}: a tiled identity needs one of "
            f"{channels} and {rows} channels per group to be a multiple of the other; use delta='dirac'"
        )


def check_identity(conv: nn.Module, delta: Delta) -> None:
    """Raise ValueError where a convolution of conv's geometry has no identity kernel, TypeError for other modules."""
    if not isinstance(conv, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) or isinstance(conv.weight, nn.UninitializedParameter):
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
    source = cast(nn.Conv2d, conv)  # or of another dimension: their attributes have the same names
    kind = next(kind for kind in (nn.Conv1d, nn.Conv2d, nn.Conv3d) if isinstance(conv, kind))
    own = next(source.parameters())
    plain: Conv = nn.utils.skip_init(  # drawing initial values would advance the user's random numbers
        kind,
        source.in_channels,
        source.out_channels,
        cast(Any, source.kernel_size),
        stride=cast(Any, source.stride),
        padding=cast(Any, source.padding),
        dilation=cast(Any, source.dilation),
        groups=source.groups,
        bias=bias is not None,
        padding_mode=source.padding_mode,
        device=own.device,
        dtype=own.dtype,
    ).train(source.training)
    with torch.no_grad():
        plain.weight.copy_(weight)
        if plain.bias is not None and bias is not None:
            plain.bias.copy_(bias)
    return plain


class _DiracConv(nn.modules.conv._ConvNd):
    """What the three Dirac convolutions share; each also inherits the convolution of its dimension."""

    composed: Tensor | None = None
    """The kernel, while `zoo.composed_together` has composed it already."""

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
        # The base classes' own constructor, reached through Conv1d, Conv2d or Conv3d, which spreads the sizes.
        spread = cast(Any, super()).__init__
        spread(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        check_identity(self, delta)
        self.scale, self.delta = scale, delta
        self.alpha, self.beta = initial_scales(self, scale)

    def reset_parameters(self) -> None:
        """Draw the weight as upstream does (He et al.'s normal); set alpha, beta and bias to their first values."""
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if hasattr(self, "alpha"):  # absent while the base class's constructor runs
            for parameter, value in zip((self.alpha, self.beta), INITIAL_SCALES[self.scale], strict=True):
                nn.init.constant_(parameter, value)

    def composed_weight(self) -> Tensor:
        """Return the kernel that the layer convolves with, of weight's shape."""
        if self.composed is not None:
            return self.composed
        return dirac_weight(self.weight, self.alpha, self.beta, groups=self.groups, delta=self.delta)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve, with shapes as in the plain convolution of the same arguments."""
        convolve = cast(Any, super())._conv_forward  # of Conv1d, Conv2d or Conv3d: knows the padding modes
        return cast(Tensor, convolve(input, self.composed_weight(), self.bias))

    def fold(self) -> Conv:
        """Return a new plain convolution that computes the same, its kernel composed in float64."""
        parts = (part.detach() for part in (self.weight, self.alpha, self.beta))
        # On the CPU because not every accelerator has float64.
        parts = (part.double() if part.is_meta else part.cpu().double() for part in parts)
        return plain_conv(self, dirac_weight(*parts, groups=self.groups, delta=self.delta), self.bias)

    def extra_repr(self) -> str:
        return f"{cast(Any, super()).extra_repr()}, scale={self.scale}, delta={self.delta}"


class DiracConv1d(_DiracConv, nn.Conv1d):
    """A drop-in for `torch.nn.Conv1d` with the Dirac parametrization (arXiv 1706.00388, section 2).

    Takes Conv1d's arguments and two keywords:

    Args:
        scale: "channel" gives alpha and beta of shape (out,) (version 2), "scalar" of shape (1,) (version 1).
        delta: "dirac" leaves the rows beyond min(in, out) without an identity, as `torch.nn.init.dirac_` does; "tiled"
            repeats the square identity over the larger side (version 1).

    The state dict holds `weight`, `alpha`, `beta` and, if any, `bias`; delta is never stored.

    Raises:
        ValueError: the stride is not 1, a kernel size is even, or the channels admit no identity.
    """


class DiracConv2d(_DiracConv, nn.Conv2d):
    """A drop-in for `torch.nn.Conv2d`; see `DiracConv1d` for its two further keywords."""


class DiracConv3d(_DiracConv, nn.Conv3d):
    """A drop-in for `torch.nn.Conv3d`; see `DiracConv1d` for its two further keywords."""


class NCReLU(nn.Module):
    """Negative concatenated ReLU: `cat(max(x, 0), min(x, 0))` along the channels (arXiv 1706.00388, section 2.2).

    (batch, C, *) → (batch, 2 C, *). Unlike CReLU it keeps the sign of the negative half.
    """

    def forward(self, input: Tensor) -> Tensor:
        return torch.cat((input.clamp(min=0), input.clamp(max=0)), dim=1)
