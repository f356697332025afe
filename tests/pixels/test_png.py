"""PNGs of every type and depth, written by hand: what is shown, and that a transparent colour stands on white."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixels import eight_bit, open_picture

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
KEYED = [(GREY, depth) for depth in (1, 2, 4, 8, 16)] + [(RGB, 8), (RGB, 16)]
INDEXED = [(PALETTE, depth) for depth in (1, 2, 4, 8)]
ALPHA = [(kind, depth) for kind in (GREY_ALPHA, RGBA) for depth in (8, 16)]
KINDS = [*KEYED, *INDEXED, *ALPHA]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def scanlines(values: NDArray[np.int64], depth: int) -> bytes:
    rows = b""
    for row in values.reshape(len(values), -1):
        bits = (row[:, None] >> np.arange(depth - 1, -1, -1)) & 1
        rows += b"\0" + np.packbits(bits.astype(np.uint8)).tobytes()
    return rows


def png(values: NDArray[np.int64], kind: int, depth: int, *extra: bytes, interlaced: bool = False) -> bytes:
    """Return a PNG of values (height, width, channels) below 2**depth."""
    height, width, _ = values.shape
    passes = [values[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [values]
    pixels = b"".join(scanlines(part, depth) for part in passes if part.size)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    chunks = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def draw(kind: int, depth: int) -> NDArray[np.int64]:
    """Draw values of which each is a neighbour of the others in one bit: the lowest, the highest or any."""
    random = np.random.default_rng([kind, depth])
    values = random.integers(0, 2**depth, (11, 13, CHANNELS[kind]))
    key = values[5, 5].copy() if depth != 2 else values[5, 5] * 0 + 1  # 0 and 3 are the same at any depth
    for channel in range(CHANNELS[kind]):
        for bit in range(depth):
            values[random.integers(0, 5), random.integers(0, 13)] = key ^ (
                (np.arange(CHANNELS[kind]) == channel).astype(int) << bit
            )
    values[5, 5] = values[7, 3] = key
    return values


def scaled(values: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
    return values >> 8 if depth == 16 else values * 255 // (2**depth - 1)


def shown(content: bytes, channels: int, path: Path) -> list[NDArray[np.int64]]:
    """Return what is seen of a file, and of the same picture that a caller opened."""
    path.write_bytes(content)
    pictures = [open_picture(path), Image.open(path), Image.open(io.BytesIO(content))]
    return [np.asarray(eight_bit(picture, channels)).astype(int) for picture in pictures]


@pytest.mark.parametrize("interlaced", [False, True], ids=["straight", "interlaced"])
@pytest.mark.parametrize("transparent", [False, True], ids=["opaque", "transparent"])
@pytest.mark.parametrize(("kind", "depth"), KINDS)
def test_every_type_and_depth(kind: int, depth: int, transparent: bool, interlaced: bool, tmp_path: Path) -> None:
    values = draw(kind, depth)
    extra, random = [], np.random.default_rng(depth)
    alpha = np.full((*values.shape[:2], 1), 255)
    if kind == PALETTE:
        palette, alphas = random.integers(0, 256, (2**depth, 3)), random.integers(0, 256, 2**depth)
        extra.append(chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
        colours = palette[values[:, :, 0]]
        if transparent:
            extra.append(chunk(b"tRNS", alphas.astype(np.uint8).tobytes()))
            alpha = alphas[values]
    elif kind in (GREY_ALPHA, RGBA):
        colours, alpha = scaled(values[:, :, :-1], depth), scaled(values[:, :, -1:], depth)
        if not transparent:
            values[:, :, -1], alpha = 2**depth - 1, np.full_like(alpha, 255)
    else:
        colours = scaled(values, depth)
        if transparent:
            extra.append(chunk(b"tRNS", values[5, 5].astype(">u2").tobytes()))
            alpha = np.where((values == values[5, 5]).all(axis=2, keepdims=True), 0, 255)
    colours = np.broadcast_to(colours, (*values.shape[:2], 3))
    expected = (colours * alpha + 255 * (255 - alpha)) / 255
    for found in shown(png(values, kind, depth, *extra, interlaced=interlaced), 3, tmp_path / "x.png"):
        np.testing.assert_allclose(found, expected, rtol=0, atol=0 if set(np.unique(alpha)) <= {0, 255} else 1)


@pytest.mark.parametrize(("kind", "depth"), KEYED)
def test_a_transparent_colour_in_grey(kind: int, depth: int, tmp_path: Path) -> None:
    values = draw(kind, depth)
    key = chunk(b"tRNS", values[5, 5].astype(">u2").tobytes())
    for found in shown(png(values, kind, depth, key), 1, tmp_path / "x.png"):
        assert found[5, 5] == found[7, 3] == 255


@pytest.mark.parametrize(("kind", "depth"), KEYED)
def test_a_transparent_colour_and_a_turned_camera(kind: int, depth: int, tmp_path: Path) -> None:
    """Notes may stand before the pixels or behind them; both survive."""
    values, exif = draw(kind, depth), Image.Exif()
    exif[0x0112] = 6
    extra = (chunk(b"tRNS", values[5, 5].astype(">u2").tobytes()), chunk(b"eXIf", exif.tobytes()[6:]))
    for found in shown(png(values, kind, depth, *extra), 3, tmp_path / "x.png"):
        assert found.shape == (13, 11, 3)
        assert (np.rot90(found)[5, 5] == 255).all()
