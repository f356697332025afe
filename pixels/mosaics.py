"""Mosaics: pictures of random squares, the same on every machine, for trying a net without real pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SEED = b"diracnet golden pictures"


def mosaics(size: int, channels: int, cells: Sequence[int]) -> NDArray[np.uint8]:
    """Return one square picture for each length in `cells`; its colours follow from that length by SHAKE-256.

    Per-pixel noise alone would look the same to a net every time; larger squares give it something to tell apart.

    Args:
        size: height and width of the pictures, in pixels.
        channels: number of channels per pixel.
        cells: the side of each picture's squares, in pixels, from 1 to 255.

    Returns:
        (len(cells), size, size, channels).

    Raises:
        ValueError: a side is not from 1 to 255.

    Example:
        >>> mosaics(32, 3, (2, 7)).shape
        (2, 32, 32, 3)
    """
    return np.stack([_mosaic(size, channels, cell) for cell in cells])


def _mosaic(size: int, channels: int, cell: int) -> NDArray[np.uint8]:
    if not 1 <= cell <= 255:
        raise ValueError(f"the squares of a mosaic have sides of 1 to 255 pixels, not {cell}")
    side = -(-size // cell)
    drawn = hashlib.shake_256(_SEED + bytes([cell])).digest(side * side * channels)
    squares = np.frombuffer(drawn, np.uint8).reshape(side, side, channels)
    return squares.repeat(cell, axis=0).repeat(cell, axis=1)[:size, :size]
