"""Pictures to compare on: some of many, or crops of a photograph in many sizes, so that nets give different answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pixels import open_picture

SEED = 0
_SMALLEST = 24  # pixels


def spaced(count: int, most: int) -> slice:
    """Return the positions of pictures that are evenly spaced among so many, and at most so many.

    Example:
        >>> [len(range(10_000)[spaced(10_000, most)]) for most in (3000, 6000, 10_000)]
        [2500, 5000, 10000]
    """
    return slice(None, None, -(-count // most))


def crops(photograph: Path, count: int) -> list[Image.Image]:
    """Return square crops of a photograph, with places and sizes drawn with a fixed seed."""
    picture = open_picture(photograph, channels=3)
    generator = np.random.default_rng(SEED)
    found = []
    for _ in range(count):
        side = int(generator.integers(_SMALLEST, min(picture.size), endpoint=True))
        left, top = (int(generator.integers(0, length - side, endpoint=True)) for length in picture.size)
        found.append(picture.crop((left, top, left + side, top + side)))
    return found
