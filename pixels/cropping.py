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

    The same pixels as torchvision's Resize, CenterCrop and PILToTensor give, wherever the crop fits into the resized
    picture; where it does not, torchvision may place the picture a pixel further left or up.

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
    if width * height <= _WHOLE:
        cropped = picture.resize((width, height), method).crop((left, top, left + size, top + size))
    else:
        # Resize only what the crop shows; Pillow then reads no more rows and columns than that takes.
        x, y = picture.width / width, picture.height / height
        first, upper, wide, high = max(left, 0), max(top, 0), min(size, width), min(size, height)
        shown = picture.resize((wide, high), method, (first * x, upper * y, (first + wide) * x, (upper + high) * y))
        cropped = Image.new(picture.mode, (size, size))
        cropped.paste(shown, (max(-left, 0), max(-top, 0)))
    return np.array(cropped).reshape(size, size, channels)
