"""What several tests share."""

import os
import struct
import zlib

# Two threads at most: the suite is meant to run beside other work, and repeatably.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def randomised() -> Callable[[nn.Module], nn.Module]:
    """Draws alpha, beta, biases and BatchNorm's statistics at random (gammas of both signs), in place.

    Freshly initialised nets hide errors: their gammas are one, their means zero.
    """

    def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.is_floating_point() or tensor.ndim > 1:
                continue
            drawn = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.5
            if not name.endswith("running_var"):
                signs = torch.randint(0, 2, tensor.shape, generator=generator) * 2 - 1
                drawn = drawn * signs
            with torch.no_grad():
                tensor.copy_(drawn)
        return model.eval()

    return randomise


def _png16(values: np.ndarray) -> bytes:
    """Return a PNG of 16 bits a channel, which Pillow reads but writes in grey only; values are (h, w, channels)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = values.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def odd_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of files that programs stumble over: `good/` can be read, `bad/` cannot, `plain.png` is what they show."""
    folder = tmp_path_factory.mktemp("odd")
    good, bad = folder / "good", folder / "bad"
    good.mkdir()
    bad.mkdir()
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (18, 24, 4), dtype=np.uint8)
    plain = Image.fromarray(colours[:, :, :3])
    grey, rgba = plain.convert("L"), Image.fromarray(colours)
    plain.save(folder / "plain.png")

    # 257 * v has the high byte v.
    (good / "rgb16.png").write_bytes(_png16(np.asarray(plain).astype(np.uint16) * 257))
    (good / "rgba16.png").write_bytes(_png16(colours.astype(np.uint16) * 257))
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    for suffix in ("png", "tif", "pgm"):
        deep.save(good / f"grey16.{suffix}")
    unit = np.asarray(grey).astype(np.float32) / 255
    Image.fromarray(unit).save(good / "float-unit.tif")
    Image.fromarray(unit * 255).save(good / "float-255.tif")
    plain.convert("CMYK").save(good / "cmyk.tif")
    plain.convert("CMYK").save(good / "cmyk.jpg", quality=100, subsampling=0)
    palette = plain.quantize(16)
    palette.save(good / "palette.png")
    palette.save(good / "palette-transparent.png", transparency=3)
    grey.convert("1").save(good / "bits.png")
    rgba.save(good / "rgba.png")
    rgba.convert("LA").save(good / "la.png")
    plain.save(good / "colour-key.png", transparency=tuple(colours[5, 5, :3].tolist()))
    others = [Image.fromarray(random.integers(0, 256, (18, 24, 3), dtype=np.uint8)) for _ in range(2)]
    plain.save(good / "animated.png", save_all=True, append_images=others)
    palette.save(good / "animated.gif", save_all=True, append_images=others)
    plain.save(good / "animated.webp", save_all=True, append_images=others, lossless=True)
    plain.save(good / "pages.tif", save_all=True, append_images=others)
    exif = Image.Exif()
    for orientation, turn in ((3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90)):
        exif[0x0112] = orientation
        for suffix in ("png", "tif", "webp"):
            lossless = {"lossless": True} if suffix == "webp" else {}
            plain.transpose(turn).save(good / f"turned-{orientation}.{suffix}", exif=exif, **lossless)
    plain.save(good / "damaged-exif.png", exif=b"Exif\0\0no exif at all")
    plain.resize((1, 1)).save(good / "1x1.png")
    for size in ((20_000, 10), (10, 20_000)):
        plain.resize(size).save(good / f"{size[0]}x{size[1]}.png")
    plain.save(good / "a name with spaces, ü and [brackets].png")

    plain.save(bad / "truncated.jpg")
    whole = (bad / "truncated.jpg").read_bytes()
    (bad / "truncated.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (bad / "head.png").write_bytes((folder / "plain.png").read_bytes()[:9])
    (bad / "empty.jpg").write_bytes(b"")
    (bad / "text.jpg").write_text("no picture at all\n")
    bomb = bytearray(_png16(np.zeros((1, 1, 1), np.uint16)))
    bomb[16:24] = struct.pack(">II", 30_000, 30_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    (bad / "bomb.png").write_bytes(bomb)
    Image.fromarray(unit - 0.5).save(bad / "negative.tif")
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(bad / "nan.tif")
    Image.fromarray(np.asarray(grey).astype(np.int32) << 20).save(bad / "int32.tif")
    (bad / "folder.jpg").mkdir()
    os.mkfifo(bad / "pipe.jpg")
    return folder
