"""The browser's decoders, with what the engine does about them, give Pillow's pixels; turned as Exif or XMP says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixels import crop, open_picture

ROOT = Path(__file__).resolve().parents[2]
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d xmlns:tiff="ns" tiff:Orientation="3"/></x:xmpmeta>'
SEEN = """async (numbers) => {
  const { decode } = await import("./scripts/engine/picture.js");
  const { crop } = await import("./scripts/engine/crop.js");
  const how = { resize: 32, size: 32, interpolation: "bilinear", mean: [0, 0, 0], std: [1, 1, 1] };
  return Array.from(crop(await decode(Uint8Array.from(numbers)), how));
}"""


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
@pytest.mark.parametrize("said", ["nothing", "exif", "xmp", "both"])
def test_pictures_are_turned_as_pillow_turns_them(visit: Any, tmp_path: Path, suffix: str, said: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    words: dict[str, Any] = {"exif": exif} if said in ("exif", "both") else {}
    words |= {"xmp": XMP} if said in ("xmp", "both") else {}
    path = tmp_path / f"cat.{suffix}"
    Image.open(ROOT / "docs" / "cat.jpg").convert("RGB").resize((90, 70)).save(path, quality=90, **words)
    expected = crop(open_picture(path), resize=32, size=32, interpolation="bilinear", channels=3)
    found = np.array(visit().evaluate(SEEN, list(path.read_bytes()))).reshape(expected.shape)
    assert np.abs(found - expected.astype(int)).max() <= 1
