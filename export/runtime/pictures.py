"""What callers give as pictures, as Pillow's pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixels import open_picture

Picture: TypeAlias = "Image.Image | str | os.PathLike[str] | NDArray[np.uint8]"
Pictures: TypeAlias = "Picture | Iterable[Picture]"
_KINDS = "a Pillow picture, the path of a file, or a uint8 array (height, width) or (height, width, 1, 3 or 4)"


def pictures_in(given: Any) -> list[Image.Image]:
    """Return the pictures that a caller gives.

    Args:
        given: a picture, or an iterable of them; a picture is one of Pillow's, the path of a file, or a uint8 array
            (height, width) or (height, width, channels) with 1 (grey), 3 (RGB) or 4 (RGBA) channels. A uint8 array
            (pictures, height, width, channels) is several of them.

    Raises:
        TypeError: it is something else; the message names it.
        ValueError, FileNotFoundError: a file is not a readable picture.
    """
    if isinstance(given, np.ndarray) and given.ndim == 4:
        given = list(given)
    if isinstance(given, (Image.Image, str, os.PathLike, np.ndarray)):
        return [_picture(given, "pictures")]
    # A tensor is iterable too, and a dict would give its keys.
    if not isinstance(given, Iterable) or isinstance(given, (bytes, bytearray, dict)) or hasattr(given, "ndim"):
        raise TypeError(f"pictures is {_kind(given)}: must be {_KINDS}, or a list of these")
    return [_picture(each, f"pictures[{index}]") for index, each in enumerate(given)]


def _picture(given: Any, name: str) -> Image.Image:
    if isinstance(given, Image.Image):
        return given
    if isinstance(given, (str, os.PathLike)):
        return open_picture(Path(given))
    if isinstance(given, np.ndarray) and given.dtype == np.uint8:
        shape = given.shape[:2] if given.ndim == 3 and given.shape[2] == 1 else given.shape
        if len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4)):
            return Image.fromarray(np.ascontiguousarray(given.reshape(shape)))
    raise TypeError(f"{name} is {_kind(given)}: must be {_KINDS}")


def _kind(value: Any) -> str:
    """Say what a value is, with the type and shape of arrays and tensors."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{type(value).__name__} of {value.dtype} {tuple(value.shape)}"
    return f"of type {type(value).__name__}"
