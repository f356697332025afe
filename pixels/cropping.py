"""Crops the centre of a picture, at the size that a net expects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixels.decoding import eight_bit

INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

_WHOLE = 1 << 26
"""Pixels up to which a picture is resized as a whole: 200 MB. A picture of 1×60,000 would need 15,000,000 × 256."""


def crop(picture: Image.Image, *, resize: int, size: int, interpolation: str, channels: int) -> NDArray[np.uint8]:
    """Return the centre of a picture of any mode as uint8, (size, size, channels).

    The same pixels as torchvision's Resize, CenterCrop and PILToTensor give.

    Args:
        picture: any picture that `eight_bit` takes.
        resize: length of the shorter side after resizing, in pixels; the resize is PIL's, which filters as it shrinks.
        size: side of the square centre crop, in pixels; where it exceeds the picture, the border is black.
        interpolation: a key of `INTERPOLATIONS`.
        channels: 1 for grey, 3 for RGB, 4 for RGB with alpha.

    Raises:
        ValueError: as in `eight_bit`.
    """
    picture, method = eight_bit(picture, channels), INTERPOLATIONS[interpolation]
    short = min(picture.size)
    width, height = (int(resize * length / short) for length in picture.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    if width * height <= _WHOLE or size > resize:
        cropped = picture.resize((width, height), method).crop((left, top, left + size, top + size))
    else:
        # Resize only what the crop shows, one axis after the other, as Pillow does with the whole picture.
        x, y = picture.width / width, picture.height / height
        strip = picture.resize((size, picture.height), method, (left * x, 0, (left + size) * x, picture.height))
        cropped = strip.resize((size, size), method, (0, top * y, size, (top + size) * y))
    return np.array(cropped).reshape(size, size, channels)
