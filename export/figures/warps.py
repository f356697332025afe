"""What the corruptions have in common: blurs, enlargement, clouds, and pictures sampled at other places."""

# mypy: disable-error-code="no-any-return"
# SciPy's functions carry no types.

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
"""Pictures between 0 and 1, (n, height, width, channels)."""


def blurred(x: Floats, deviation: float) -> Floats:
    """Return pictures after a Gaussian blur; the deviation is in pixels."""
    return ndimage.gaussian_filter(x, (0, deviation, deviation, 0), mode="nearest")


def moved(x: Floats, radius: int, sigma: float, angles: NDArray[np.float64]) -> Floats:
    """Blur along a line from each pixel, as ImageMagick does: a half Gaussian; angles in degrees, one a picture."""
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    count, height, width, _ = x.shape
    rows, columns = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    total = np.zeros_like(x)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        down, right = (
            np.ceil(step * part(np.deg2rad(angles)) - 0.5).astype(int)[:, None, None] for part in (np.sin, np.cos)
        )
        places = (rows + down).clip(0, height - 1), (columns + right).clip(0, width - 1)
        total += weight * x[(np.arange(count)[:, None, None], *places)]
    return total


def zoomed(x: Floats, factor: float) -> Floats:
    """Return the centre of pictures, enlarged to their size."""
    parts, wanted = [slice(None)], x.shape[1:3]
    for side in wanted:
        kept = int(np.ceil(side / factor))
        parts.append(slice((side - kept) // 2, (side - kept) // 2 + kept))
    large = ndimage.zoom(x[tuple(parts)], (1, factor, factor, 1), order=1)
    top, left = ((long - side) // 2 for long, side in zip(large.shape[1:3], wanted, strict=True))
    return large[:, top : top + wanted[0], left : left + wanted[1]]


def clouds(count: int, size: int, decay: float, drawn: np.random.Generator) -> NDArray[np.float64]:
    """Return height maps between 0 and 1 by the diamond-square algorithm, whose borders meet: (count, size, size)."""
    heights = np.zeros((count, size, size))
    step, wobble = size, 100.0

    def displaced(total: Floats) -> Floats:
        return total / 4 + drawn.uniform(-(wobble**2), wobble**2, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, half::step] = displaced(pairs + np.roll(pairs, -1, axis=2))
        middles = heights[:, half::step, half::step]
        beside = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=2)
        heights[:, ::step, half::step] = displaced(beside)
        above = middles + np.roll(middles, 1, axis=2) + corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, ::step] = displaced(above)
        step, wobble = half, wobble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return heights / heights.max(axis=(1, 2), keepdims=True)


def sampled(x: Floats, rows: Floats, columns: Floats, border: str) -> Floats:
    """Return pictures sampled, bilinearly, at these rows and columns, (n, height, width)."""
    count, *_, channels = x.shape
    which, channel = np.arange(count)[:, None, None, None], np.arange(channels)
    places = np.broadcast_arrays(which, rows[..., None], columns[..., None], channel)
    return ndimage.map_coordinates(x, places, order=1, mode=border)
