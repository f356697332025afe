"""The photographs of frost, which the optional package imagecorruptions-imaug has."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LACKING = "frost needs the photographs of the package imagecorruptions-imaug: pip install 'diracnet-zoo[figures]'"
"""What to say where they are missing."""


def are_here() -> bool:
    """Tell whether the package is installed; it is not imported."""
    return _folder() is not None


def photographs() -> list[NDArray[np.float64]]:
    """Return the photographs of frost at a fifth of their size, (height, width, 3), between 0 and 1.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    folder, found = _folder(), []
    if folder is None:
        raise ModuleNotFoundError(LACKING, name="imagecorruptions")
    for name in ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg"):  # as the paper's program does
        with Image.open(folder / name) as picture:
            size = round(picture.width / 5), round(picture.height / 5)
            # Every fifth point, between pixels: `resize` would average the pixels around it.
            small = picture.convert("RGB").transform(
                size, Image.Transform.AFFINE, (5, 0, 0, 0, 5, 0), Image.Resampling.BILINEAR
            )
            found.append(np.asarray(small) / 255)
    return found


def _folder() -> Path | None:
    found = find_spec("imagecorruptions")
    return None if found is None or found.origin is None else Path(found.origin).parent / "frost"
