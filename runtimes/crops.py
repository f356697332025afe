"""Pictures to compare on: crops of a photograph in many sizes, so that the nets give different answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pixels import open_picture

SEED = 0
_SMALLEST = 24  # pixels


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
