"""The fifteen corruptions of CIFAR-10-C (Hendrycks and Dietterich, arXiv 1903.12261), for batches of small pictures.

The definitions are those of the paper's program for CIFAR (`make_cifar_c.py` in github.com/hendrycks/robustness), whose
strengths are weaker than those for ImageNet. The maintained package of these corruptions, imagecorruptions-imaug, has
ImageNet's strengths only, written into its functions, and they leave little of a picture of 32×32 pixels. The tests
compare the functions here with that package at ImageNet's strengths; frost takes its photographs from it.
"""

# mypy: disable-error-code="no-any-return"
# SciPy's functions carry no types.

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from export.figures.photographs import photographs
from export.figures.warps import Floats, blurred, clouds, moved, sampled, zoomed

Strength = Any
"""A number, or several."""


def corrupt(pictures: NDArray[np.uint8], name: str, severity: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return corrupted copies of pictures.

    Args:
        pictures: uint8, (n, height, width, channels), RGB or grey, at least 28 pixels high and wide.
        name: a key of `CORRUPTIONS`.
        severity: from 1, the weakest, to 5.
        seed: decides all that is drawn; the same pictures, name and severity give the same result.

    Raises:
        ValueError: there is no such corruption or severity.
        ModuleNotFoundError: frost's photographs are not installed.

    Example:
        >>> corrupt(np.zeros((2, 32, 32, 3), np.uint8), "fog", 3).shape
        (2, 32, 32, 3)
    """
    if name not in CORRUPTIONS:
        raise ValueError(f"no corruption is named {name!r}; there are {', '.join(CORRUPTIONS)}")
    if severity not in range(1, 6):
        raise ValueError(f"severity={severity}: allowed are 1 to 5")
    function, strengths = CORRUPTIONS[name]
    drawn = np.random.default_rng([seed, list(CORRUPTIONS).index(name), severity])
    return apply(function, pictures, strengths[severity - 1], drawn)


def apply(
    function: Callable[..., Floats], pictures: NDArray[np.uint8], strength: Strength, drawn: np.random.Generator
) -> NDArray[np.uint8]:
    """Return pictures corrupted by one of the functions below, with any strength."""
    return (function(pictures / 255, strength, drawn).clip(0, 1) * 255).astype(np.uint8)


def gaussian_noise(x: Floats, deviation: float, drawn: np.random.Generator) -> Floats:
    """Add noise, as a sensor does in poor light."""
    return x + drawn.normal(scale=deviation, size=x.shape)


def shot_noise(x: Floats, photons: float, drawn: np.random.Generator) -> Floats:
    """Count photons; white is so many."""
    return drawn.poisson(x * photons) / photons


def impulse_noise(x: Floats, share: float, drawn: np.random.Generator) -> Floats:
    """Set a share of the values to 0 or 1."""
    return np.where(drawn.random(x.shape) < share, drawn.integers(0, 2, x.shape), x)


def defocus_blur(x: Floats, strength: Strength, drawn: np.random.Generator) -> Floats:  # noqa: ARG001
    """Convolve with a disk of a radius, smoothed a little."""
    radius, smoothing = strength
    reach = max(8, round(radius))
    row, column = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (row**2 + column**2 <= radius**2).astype(float)
    smooth = np.exp(-(np.arange(-1, 2) ** 2) / (2 * smoothing**2))
    if radius > 8:
        smooth = np.exp(-(np.arange(-2, 3) ** 2) / (2 * smoothing**2))
    kernel = ndimage.convolve(disk / disk.sum(), np.outer(smooth, smooth) / smooth.sum() ** 2, mode="mirror")
    return ndimage.correlate(x, kernel[None, :, :, None], mode="mirror")


def glass_blur(x: Floats, strength: Strength, drawn: np.random.Generator) -> Floats:
    """Blur, replace each pixel by a near one, and blur again.

    The paper speaks of swapping them; its program, and so CIFAR-10-C, overwrites the one with the other.
    """
    deviation, reach, times = strength
    x = (blurred(x, deviation) * 255).astype(np.uint8)
    count, height, width, _ = x.shape
    every = np.arange(count)
    for _ in range(times):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, right = drawn.integers(-reach, reach, (2, count))
                x[:, row, column] = x[every, row + down, column + right]
    return blurred(x / 255, deviation)


def motion_blur(x: Floats, strength: Strength, drawn: np.random.Generator) -> Floats:
    """Blur along a line within 45° of the horizontal."""
    radius, sigma = strength
    return moved(x, radius, sigma, drawn.uniform(-45, 45, len(x)))


def zoom_blur(x: Floats, factors: Sequence[float], drawn: np.random.Generator) -> Floats:  # noqa: ARG001
    """Average a picture with enlarged ones of itself."""
    return (x + sum(zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


def snow(x: Floats, strength: Strength, drawn: np.random.Generator) -> Floats:
    """Let snow fall, and whiten the scene."""
    mean, deviation, zoom, threshold, radius, sigma, kept = strength
    flakes = zoomed(drawn.normal(mean, deviation, (*x.shape[:3], 1)), zoom)
    flakes = np.where(flakes < threshold, 0, flakes).clip(0, 1)
    flakes = moved(flakes, radius, sigma, drawn.uniform(-135, -45, len(x)))
    grey = x @ (_GREY if x.shape[3] == 3 else np.ones(1))
    x = kept * x + (1 - kept) * np.maximum(x, grey[..., None] * 1.5 + 0.5)
    return x + flakes + np.rot90(flakes, 2, axes=(1, 2))


def frost(x: Floats, strength: Strength, drawn: np.random.Generator) -> Floats:
    """Lay a part of a photograph of frost over each picture."""
    kept, added = strength
    _, height, width, channels = x.shape
    wholes, parts = photographs(), []
    for which in drawn.integers(0, len(wholes), len(x)):
        whole = _continued(wholes[which], height + 1, width + 1)
        top, left = (
            drawn.integers(0, side - length) for side, length in zip(whole.shape, (height, width), strict=False)
        )
        parts.append(whole[top : top + height, left : left + width])
    layer = np.stack(parts)
    return kept * x + added * (layer if channels == 3 else (layer @ _GREY)[..., None])


def _continued(whole: Floats, height: int, width: int) -> Floats:
    """Return a photograph that has at least this size, continued by its mirror images where it is smaller."""
    missing = [(0, max(0, least - side)) for side, least in zip(whole.shape, (height, width), strict=False)]
    return np.pad(whole, (*missing, (0, 0)), mode="symmetric")


def fog(x: Floats, strength: Strength, drawn: np.random.Generator) -> Floats:
    """Lay clouds over each picture."""
    amount, decay = strength
    _, height, width, _ = x.shape
    brightest = x.max(axis=(1, 2, 3), keepdims=True)
    cover = clouds(len(x), 1 << (max(height, width) - 1).bit_length(), decay, drawn)
    return (x + amount * cover[:, :height, :width, None]) * brightest / (brightest + amount)


def brightness(x: Floats, added: float, drawn: np.random.Generator) -> Floats:  # noqa: ARG001
    """Raise the value of hue, saturation and value."""
    value = x.max(axis=3, keepdims=True)
    raised = (value + added).clip(0, 1)
    return np.where(value > 0, x / np.where(value > 0, value, 1) * raised, raised)


def contrast(x: Floats, factor: float, drawn: np.random.Generator) -> Floats:  # noqa: ARG001
    """Draw all colours towards their mean."""
    mean = x.mean(axis=(1, 2), keepdims=True)
    return (x - mean) * factor + mean


def elastic_transform(x: Floats, strength: Strength, drawn: np.random.Generator) -> Floats:
    """Distort by a random affine map, and by random smooth displacements; lengths are shares of the width."""
    count, height, width, _ = x.shape
    distance, deviation, corners = (share * width for share in strength)
    centre, half = np.array([width // 2, height // 2]), min(height, width) // 3
    before = centre + half * np.array([[1, 1], [1, -1], [-1, -1]])
    after = before + drawn.uniform(-corners, corners, (count, 3, 2))
    # The map from places in the result to places in the picture, both (x, y, 1).
    back = np.linalg.solve(
        np.concatenate([after, np.ones((count, 3, 1))], axis=2), np.broadcast_to(before, after.shape)
    )
    row, column = np.mgrid[:height, :width].astype(float)
    found = np.stack([column, row, np.ones_like(row)], axis=-1) @ back[:, None]
    mapped = sampled(x, found[..., 1], found[..., 0], "mirror")
    shifts = drawn.uniform(-1, 1, (2, count, height, width))
    smooth = ndimage.gaussian_filter(shifts, (0, 0, deviation, deviation), mode="reflect", truncate=3)
    return sampled(mapped, row + distance * smooth[1], column + distance * smooth[0], "reflect")


def pixelate(x: Floats, share: float, drawn: np.random.Generator) -> Floats:  # noqa: ARG001
    """Shrink to a share of the size, and enlarge again."""

    def shrink(picture: Image.Image) -> Image.Image:
        width, height = picture.size
        small = picture.resize((int(width * share), int(height * share)), Image.Resampling.BOX)
        return small.resize((width, height), Image.Resampling.BOX)

    return _each(x, shrink)


def jpeg_compression(x: Floats, quality: int, drawn: np.random.Generator) -> Floats:  # noqa: ARG001
    """Encode with a quality, and decode."""

    def compress(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _each(x, compress)


def _zooms(last: float) -> tuple[float, ...]:
    return tuple(np.arange(1, last, 0.01))


CORRUPTIONS: Mapping[str, tuple[Callable[..., Floats], Sequence[Strength]]] = {
    "gaussian noise": (gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot noise": (shot_noise, (500, 250, 100, 75, 50)),
    "impulse noise": (impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus blur": (defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    "glass blur": (glass_blur, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))),
    "motion blur": (motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom blur": (zoom_blur, tuple(map(_zooms, (1.06, 1.11, 1.16, 1.21, 1.26)))),
    "snow": (
        snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "frost": (frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),
    "fog": (fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": (brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": (contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    "elastic transform": (
        elastic_transform,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "pixelate": (pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),
    "jpeg compression": (jpeg_compression, (80, 65, 58, 50, 40)),
}
"""Name → function, and its strengths at severities 1 to 5."""

_GREY = np.array([0.299, 0.587, 0.114])


def _each(x: Floats, change: Callable[[Image.Image], Image.Image]) -> Floats:
    pictures = (x * 255).round().astype(np.uint8)
    shape = x.shape[1:]
    changed = [np.asarray(change(Image.fromarray(one.squeeze(-1) if shape[2] == 1 else one))) for one in pictures]
    return np.stack(changed).reshape(x.shape) / 255
