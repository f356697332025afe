"""How layers lie in devices: channels last, and one stride and one padding for both directions."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from torch import nn

from export.int8.layers import Layer


def channels_last(kernel: NDArray[Any]) -> NDArray[Any]:
    """Return a kernel (out, in, height, width) as (out, height, width, in); that of a linear layer has one pixel."""
    square = kernel.reshape(*kernel.shape, 1, 1) if kernel.ndim == 2 else kernel
    return square.transpose(0, 2, 3, 1)


def strides(layer: Layer) -> tuple[int, int]:
    """Return a layer's stride and padding.

    Raises:
        ValueError: they differ between the directions, or the layer is dilated or not zero-padded.
    """
    module = layer.module
    if isinstance(module, nn.Linear):
        return 1, 0
    square = all(len(set(sizes)) == 1 for sizes in (module.kernel_size, module.stride, module.padding))
    if not square or module.dilation != (1, 1) or module.padding_mode != "zeros":
        raise ValueError(f"{layer.name}: {module} has no place in LiteRT and C files; a folded net has square layers")
    return module.stride[0], int(module.padding[0])


def pool_sizes(pool: nn.MaxPool2d) -> tuple[int, int, int]:
    """Return a max-pool's size, stride and padding.

    Raises:
        ValueError: they differ between the directions, or the pool is dilated or rounds its size up.
    """
    sizes = [pool.kernel_size, pool.stride, pool.padding]
    pairs = [(size, size) if isinstance(size, int) else tuple(size) for size in sizes]
    if any(len(set(pair)) > 1 for pair in pairs) or pool.dilation != 1 or pool.ceil_mode:
        raise ValueError(f"{pool} has no place in LiteRT and C files; a folded net has square pools")
    size, stride, padding = (pair[0] for pair in pairs)
    return size, stride, padding
