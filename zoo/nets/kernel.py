"""The Dirac parametrization of a kernel.

Source: Zagoruyko and Komodakis, "DiracNets: Training Very Deep Neural Networks Without Skip-Connections"
(arXiv 1706.00388), section 2. A layer convolves with

    w_hat = diag(alpha) * delta + diag(beta) * normalize(w)

where `delta` is the kernel of the identity convolution and `normalize` divides each output filter by its
Euclidean norm. The identity path of a residual block thereby lives inside the kernel, and at inference the layer
is an ordinary convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
import torch.fx
from torch import Tensor

Scale = Literal["channel", "scalar"]
"""Whether alpha and beta hold one value per output channel (version 2) or one for the layer (version 1)."""

Delta = Literal["dirac", "tiled"]
"""Which delta: as `torch.nn.init.dirac_` makes it (version 2), or the square identity tiled (version 1)."""

DELTAS: tuple[Delta, ...] = ("dirac", "tiled")


def dirac_weight(weight: Tensor, alpha: Tensor, beta: Tensor, *, groups: int = 1, delta: Delta = "dirac") -> Tensor:
    """Return `alpha * delta + beta * normalize(weight)`, differentiable in all three.

    No dense delta is made: it has at most one entry per row and tap, to which alpha is added.

    Example:
        >>> import torch, zoo
        >>> weight, alpha, beta = torch.randn(8, 4, 3, 3), torch.ones(8), torch.zeros(8)
        >>> kernel = zoo.dirac_weight(weight, alpha, beta)
        >>> torch.equal(kernel, zoo.dirac_delta(weight))  # with beta = 0 only the identity is left
        True

    Args:
        weight: (out, in / groups, *kernel) with odd kernel sizes.
        alpha: (out,) or (1,).
        beta: (out,) or (1,).
        groups: channel groups of the convolution; every group has an identity of its own.
        delta: "dirac" or "tiled", see `Delta`.

    Returns:
        A new tensor of weight's shape and dtype.

    Raises:
        ValueError: a kernel of this shape has no identity.
    """
    check_kernel(weight.shape, groups, delta)
    return compose_kernel(weight, alpha, beta, tuple(weight.shape), groups, delta, per_channel=alpha.numel() > 1)


def dirac_delta(weight: Tensor, *, groups: int = 1, delta: Delta = "dirac") -> Tensor:
    """Return the dense delta that belongs to a kernel of weight's shape, dtype and device.

    For inspection and tests; the layers never build it.

    Example:
        >>> import torch, zoo
        >>> zoo.dirac_delta(torch.empty(2, 2, 3)).tolist()  # of a 1-d convolution, 2 channels to 2
        [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    one = torch.ones(1, dtype=weight.dtype, device=weight.device)
    return dirac_weight(torch.zeros_like(weight), one, torch.zeros_like(one), groups=groups, delta=delta)


@torch.fx.wrap
def compose_kernel(
    weight: Tensor,
    alpha: Tensor,
    beta: Tensor,
    shape: Sequence[int],
    groups: int,
    delta: Delta,
    *,
    per_channel: bool,
) -> Tensor:
    """Compute `dirac_weight` for a kernel that has an identity, with its shape given as numbers. A leaf to torch.fx.

    PyTorch's tracers, exporters and passes over graphs must be able to follow what happens here. So nothing is written
    in place, not even into a new tensor (the ONNX exporter and passes over TorchScript lose writes into a view, vmap
    refuses them), and nothing is asked of a tensor that a tracer could not answer with a number.
    """
    # 1e-12 is the bound of torch.nn.functional.normalize; it is zero in float16, where tiny takes its place.
    bound = max(1e-12, torch.finfo(weight.dtype).tiny)
    dims = len(shape)
    # Reduce over explicit dimensions: flattening a channels_last weight would copy it. Keep the number of calls low,
    # because thin layers are dominated by their overhead.
    norm = torch.linalg.vector_norm(weight, dim=tuple(range(1, dims)), keepdim=True).clamp(min=bound)
    composed: Tensor = weight * (beta.view(-1, *[1] * (dims - 1)) / norm)

    rows, columns = shape[0] // groups, shape[1]
    square = min(rows, columns)
    down, across = (rows // square, columns // square) if delta == "tiled" else (1, 1)
    # The identities are diagonals of length `square` in the centre tap, `down` × `across` of them in each group.
    where = groups, down, across, square
    row = column = torch.arange(square, device=weight.device)
    if groups * down * across > 1:
        group, tile_down, tile_across = (
            torch.arange(count, device=weight.device).view(-1, *[1] * (3 - axis))
            for axis, count in enumerate(where[:3])
        )
        column = (tile_across * square + row).expand(where).flatten()
        row = (group * rows + tile_down * square + row).expand(where).flatten()
    if per_channel:
        alpha = alpha.view(groups, rows)[:, : down * square].view(groups, down, 1, square).expand(where).flatten()
    else:
        alpha = alpha.expand(row.shape)  # index_put would do it by itself, but not in every exporter
    taps = [torch.full_like(row, size // 2) for size in shape[2:]]
    return composed.index_put((row, column, *taps), alpha.to(composed.dtype), accumulate=True)


@torch.fx.wrap
def check_kernel(shape: Sequence[int], groups: int, delta: Delta) -> None:
    """Raise ValueError if a kernel of this shape, (out, in / groups, *kernel), has no identity."""
    rows, channels = shape[0] // groups, shape[1]
    if delta not in DELTAS:
        raise ValueError(f"delta={delta!r}: allowed are {', '.join(map(repr, DELTAS))}")
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


Parts = tuple[Tensor, Tensor, Tensor]
"""Weight, alpha and beta of a layer."""


@dataclass(frozen=True, eq=False)
class Composed:
    """A kernel composed ahead of the layer's call, and what it was composed from."""

    kernel: Tensor
    parts: Parts
    versions: tuple[int, ...]
    differentiable: bool

    @classmethod
    def of(cls, kernel: Tensor, parts: Parts) -> Composed:
        """Remember a kernel and the current state of what it was composed from."""
        return cls(kernel, parts, tuple(part._version for part in parts), torch.is_grad_enabled())

    def holds_for(self, parts: Parts) -> bool:
        """Tell whether composing now would give the same kernel, with the same gradients.

        Hooks, parametrizations and `torch.func.functional_call` give a layer other tensors; optimizers write into those
        it has.
        """
        return (
            all(now is then for now, then in zip(parts, self.parts, strict=True))
            and tuple(part._version for part in parts) == self.versions
            and (self.differentiable or not torch.is_grad_enabled())
            and not _is_recorded()
        )


def _is_recorded() -> bool:
    """Tell whether the computation is being recorded so that it can be repeated later, or is being repeated.

    Activation checkpointing repeats a layer's forward in the backward pass, when a kernel composed ahead may be gone or
    its graph used up; both times it must compute the same. PyTorch has no public way to ask.
    """
    hooked = torch._C._autograd._top_saved_tensors_default_hooks(True) is not None
    return hooked or torch._C._current_graph_task_id() != -1 or cast(Any, torch.jit).is_tracing()
