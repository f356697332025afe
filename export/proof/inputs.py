"""Inputs to compare nets and graphs on: drawn from a seed, at the net's own size and at another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo import Preprocessing, Spec

SEED = 0
BATCHES = (1, 3)


def tensor_inputs(spec: Spec, preprocessing: Preprocessing) -> Iterator[tuple[str, Tensor, NDArray[Any]]]:
    """Yield a name, the net's input and the graph's input for graphs that take tensors.

    The inputs have the net's own size and then an oblong one. They are preprocessed random pixels, since a net need not
    be accurate on values that it can never be given.
    """
    for size in ((preprocessing.size, preprocessing.size), oblong(spec)):
        for count in BATCHES:
            pixels = _random_pixels(count, size, spec.in_channels)
            batch = preprocessing.normalize(torch.from_numpy(pixels).permute(0, 3, 1, 2)).contiguous()
            yield f"{count}×{size[0]}×{size[1]}", batch, batch.numpy()


def picture_inputs(preprocessing: Preprocessing) -> Iterator[tuple[str, Tensor, NDArray[Any]]]:
    """Yield a name, the net's input and the graph's input for graphs that take raw pictures."""
    size, channels = preprocessing.size, len(preprocessing.mean)
    for count in BATCHES:
        drawn = _random_pixels(count, (size, size), channels)
        yield f"{count}×{size}×{size}", preprocessing.normalize(torch.from_numpy(drawn).permute(0, 3, 1, 2)), drawn


def oblong(spec: Spec) -> tuple[int, int]:
    """Return an odd height and a different width, both small and not the size that the net was made for."""
    return 2 * spec.min_size + 7, 3 * spec.min_size + 10


def random_batch(spec: Spec, count: int, size: tuple[int, int]) -> Tensor:
    """Return a batch of normal noise, float32 (count, channels, height, width); equal arguments give equal bits."""
    generator = np.random.default_rng([SEED, count, *size])
    return torch.from_numpy(generator.standard_normal((count, spec.in_channels, *size), dtype=np.float32))


def _random_pixels(count: int, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng([SEED, count, *size]).integers(0, 256, (count, *size, channels), np.uint8)
