"""Decodes files of any kind to pictures of 8 bits per channel: the one rule for all nets and runtimes."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels of a net's input → the mode of Pillow that has them."""

_DEPTHS = {"1": 1, "L;2": 2, "L;4": 4, "L": 8, "RGB": 8, "I;16B": 16, "RGB;16B": 16}
"""Layout of a PNG's pixels, in Pillow's words → bits per channel, for layouts that may have a transparent colour."""


def open_picture(path: Path, channels: int | None = None) -> Image.Image:
    """Return the picture in a file, or the first frame of an animation, turned upright as the camera recorded.

    Args:
        path: the file.
        channels: what `eight_bit` makes of it; None leaves the picture in the mode that it has.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not a picture, is damaged, may not be read, would fill the memory (a "decompression
            bomb": more than twice `PIL.Image.MAX_IMAGE_PIXELS` pixels), or `eight_bit` refuses it; the text names the
            file and the reason.
    """
    try:
        _check_file(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"no picture {path}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a readable picture: {_reason(error)}") from error
    picture = decode(path, str(path))
    if channels is None:
        return picture
    try:
        return eight_bit(picture, channels)
    except ValueError as error:
        raise ValueError(f"{path} is not a readable picture: {error}") from error


def decode(file: Path | IO[bytes], name: str) -> Image.Image:
    """Return the picture in a file, as `open_picture` does, which may be one in memory.

    Raises:
        ValueError: as in `open_picture`; the text begins with the name.
    """
    try:
        with Image.open(file) as picture:
            return _upright(_loaded(picture)).copy()  # a copy, which no longer needs the file
    # On some damaged files Pillow's decoders raise errors of any class: KeyError, struct.error, EOFError, …
    except Exception as error:
        raise ValueError(f"{name} is not a readable picture: {_reason(error)}") from error


def eight_bit(picture: Image.Image, channels: int) -> Image.Image:
    """Return a picture of any mode as 8-bit grey, RGB or RGB with alpha, upright.

    - Transparent pixels are laid over white, as browsers and viewers show them, unless alpha is kept. A PNG's
      transparent colour is compared at the file's own depth, which requires that a picture opened by the caller has not
      been loaded yet.
    - 16-bit channels keep their high byte. 32-bit integers are read as 16-bit ones, because Pillow decodes some 16-bit
      files to mode I.
    - Floats are taken to be on the scale 0…1, or 0…255 if one exceeds 1.
    - CMYK becomes RGB by Pillow's formula; embedded colour profiles are not applied.

    Args:
        picture: any picture of Pillow's.
        channels: 1 for grey, 3 for RGB, 4 for RGB with alpha.

    Raises:
        ValueError: the picture has no pixels, values on no known scale, or a mode that Pillow cannot convert.
    """
    if min(picture.size) == 0:
        raise ValueError(f"the picture has {picture.width}×{picture.height} pixels")
    picture = _upright(_loaded(picture))
    if picture.mode.startswith("I"):
        picture = _integers(picture)
    elif picture.mode == "F":
        picture = _floats(picture)
    elif picture.has_transparency_data and channels != 4:
        opaque = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    elif picture.mode == "LAB":
        picture = picture.convert("RGB")  # from LAB, Pillow converts to colours alone
    return picture if picture.mode == MODES[channels] else picture.convert(MODES[channels])


def _loaded(picture: Image.Image) -> Image.Image:
    """Load a picture; for a PNG that names one colour as transparent, return a copy with an alpha channel.

    Pillow leaves that colour as it is in the file, although it converts pixels of 2, 4 and 16 bits to 8.
    """
    unread = isinstance(picture, PngImageFile) and picture.tile and "transparency" in picture.info
    layout = cast(PngImageFile, picture).tile[0][3] if unread else None
    if layout not in _DEPTHS:
        picture.load()
        return picture
    depth = _DEPTHS[layout]
    # Pillow keeps one byte of each 16-bit channel; the layout selects which one.
    low = _read_as(cast(PngImageFile, picture), "RGB;16L") if layout == "RGB;16B" else None
    picture.load()
    values = np.asarray(picture).astype(np.int64)
    if low is not None:
        values = values * 256 + np.asarray(low)
    elif depth < 8 and picture.mode == "L":
        values //= 255 // (2**depth - 1)
    transparent = values == np.array(picture.info["transparency"]) % 2**depth  # the rest of its 16 bits means nothing
    if transparent.ndim == 3:
        transparent = transparent.all(axis=2)
    opaque = _integers(picture) if depth == 16 and layout != "RGB;16B" else picture
    opaque = opaque.convert("L") if opaque.mode == "1" else opaque.copy()
    opaque.info = {key: value for key, value in picture.info.items() if key != "transparency"}
    opaque.putalpha(Image.fromarray(np.where(transparent, 0, 255).astype(np.uint8)))
    return opaque


def _read_as(picture: PngImageFile, layout: str) -> Image.Image:
    """Decode the file of a picture that is not loaded yet once more, reading its pixels in this layout."""
    file = cast(IO[bytes], picture.fp)
    file.seek(0)
    other = cast(PngImageFile, Image.open(file))
    other.tile = cast(Any, [(*tile[:3], layout) for tile in other.tile])
    other.load()
    return other


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) != 1
    except Exception:  # of any class; damaged metadata is no reason to refuse the pixels
        turned = False
    return ImageOps.exif_transpose(picture) if turned else picture


def _integers(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture)
    low, high = values.min(), values.max()
    if low < 0 or high > 0xFFFF:
        raise ValueError(f"its integers reach from {low} to {high}: allowed is 0 to 65535; convert it to 8 or 16 bits")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _floats(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture)
    low, high = values.min(), values.max()
    if not 0 <= low <= high <= 255:  # false for NaN too, which is no pixel value
        raise ValueError(
            f"its floats reach from {low:g} to {high:g}: allowed is 0 to 1 or 0 to 255; convert it to 8 bits"
        )
    return Image.fromarray(np.round(values * (255 if high <= 1 else 1)).astype(np.uint8))


def _check_file(path: Path) -> None:
    """Raise OSError or ValueError if there is nothing to read; merely opening a pipe would block."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        next(path.iterdir(), None)  # fails if the folder may not be read
        raise ValueError("it is a folder without pictures that can be opened here")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if not status.st_size:
        raise ValueError("it is empty")


def _reason(error: Exception) -> str:
    """Say what is wrong with a file, without its name."""
    if isinstance(error, UnidentifiedImageError):
        return "its format is not known"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
