"""Pictures of folded kernels, as PNG: one cell per pair of an output and an input channel."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

POSITIVE, NEGATIVE = (232, 115, 28), (59, 130, 217)
"""Orange above zero and blue below: between the colours of the README's picture for light pages and for dark ones."""
MOST = 32
"""Channels shown on each side; the picture says how many there are."""


def kernel_picture(weight: NDArray[np.float32], most: int = MOST) -> tuple[bytes, int, int]:
    """Return a picture of a kernel with its width and height in pixels: one pixel a weight, a gap between cells.

    Rows are input channels and columns output channels. Strength is the weight relative to the largest shown, on a
    transparent ground, so that the picture suits light pages and dark ones.

    Args:
        weight: (outputs, inputs, height, width).
        most: how many channels are shown on each side.

    Example:
        >>> content, width, height = kernel_picture(np.ones((4, 3, 3, 3), np.float32))
        >>> width, height
        (15, 11)
    """
    shown = weight[:most, :most]
    outputs, inputs, height, width = shown.shape
    sheet = np.zeros((inputs, height + 1, outputs, width + 1), np.float32)
    sheet[:, :height, :, :width] = shown.transpose(1, 2, 0, 3) / max(float(np.abs(shown).max()), 1e-12)
    flat = sheet.reshape(inputs * (height + 1), outputs * (width + 1))[:-1, :-1]
    pixels = np.where((flat > 0)[..., None], np.array(POSITIVE, np.uint8), np.array(NEGATIVE, np.uint8))
    alpha = np.round(255 * np.sqrt(np.abs(flat))).astype(np.uint8)
    picture = Image.fromarray(np.dstack([pixels, alpha]))
    file = BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue(), picture.width, picture.height
