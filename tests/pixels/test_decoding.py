"""Reading pictures: what files of all kinds show, and what is said of those that show nothing."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixels import eight_bit, open_picture


def shown(path: Path, channels: int = 3) -> NDArray[np.int64]:
    picture = eight_bit(open_picture(path), channels)
    assert picture.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    return np.asarray(picture).astype(int)


@pytest.fixture
def plain(odd_pictures: Path) -> NDArray[np.int64]:
    return np.asarray(Image.open(odd_pictures / "plain.png")).astype(int)


SAME = (
    "rgb16.png",
    "animated.png",
    "animated.webp",
    "pages.tif",
    *(f"turned-{orientation}.{suffix}" for orientation in (3, 6) for suffix in ("png", "tif", "webp")),
    "damaged-exif.png",
    "a name with spaces, ü and [brackets].png",
)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("name", SAME)
def test_first_picture_upright_whatever_the_file(name: str, odd_pictures: Path, plain: NDArray[np.int64]) -> None:
    np.testing.assert_array_equal(shown(odd_pictures / "good" / name), plain)


@pytest.mark.parametrize("name", ["grey16.png", "grey16.tif", "grey16.pgm", "float-unit.tif", "float-255.tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_grey_is_scaled_and_not_clipped(name: str, channels: int, odd_pictures: Path) -> None:
    grey = np.asarray(Image.open(odd_pictures / "plain.png").convert("L")).astype(int)
    found = shown(odd_pictures / "good" / name, channels)
    np.testing.assert_array_equal(found.reshape(*grey.shape, channels), np.stack([grey] * channels, axis=-1))


def test_alpha_is_kept_where_it_is_wanted(odd_pictures: Path, plain: NDArray[np.int64]) -> None:
    good = odd_pictures / "good"
    kept = np.asarray(Image.open(good / "rgba.png")).astype(int)
    np.testing.assert_array_equal(shown(good / "rgba.png", 4), kept)
    np.testing.assert_array_equal(shown(good / "la.png", 4)[..., 3], kept[..., 3])
    opaque = shown(odd_pictures / "plain.png", 4)
    np.testing.assert_array_equal(opaque[..., :3], plain)
    assert (opaque[..., 3] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16", "LA"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_mode_becomes_any_number_of_channels(mode: str, channels: int) -> None:
    grey = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    picture = (
        grey.convert("RGB").convert(mode)
        if mode in ("CMYK", "YCbCr", "HSV")
        else grey.convert(mode)
        if (mode not in ("LAB", "I;16"))
        else Image.new(mode, (16, 16))
    )
    assert np.asarray(eight_bit(picture, channels)).reshape(16, 16, -1).shape[2] == channels


def test_what_is_transparent_stands_on_white(odd_pictures: Path, plain: NDArray[np.int64]) -> None:
    good = odd_pictures / "good"
    alpha = np.asarray(Image.open(good / "rgba.png")).astype(int)[:, :, 3:]
    grey = np.asarray(Image.open(odd_pictures / "plain.png").convert("L")).astype(int)[:, :, None]
    assert alpha.min() < 10 and alpha.max() > 245
    for name, colours in (("rgba.png", plain), ("rgba16.png", plain), ("la.png", np.repeat(grey, 3, axis=2))):
        expected = (colours * alpha + 255 * (255 - alpha)) / 255
        np.testing.assert_allclose(shown(good / name), expected, rtol=0, atol=1, err_msg=name)
    key = (plain == plain[5, 5]).all(axis=2, keepdims=True)
    np.testing.assert_array_equal(shown(good / "colour-key.png"), np.where(key, 255, plain))


def test_palettes(odd_pictures: Path) -> None:
    good = odd_pictures / "good"
    indices = np.asarray(Image.open(good / "palette.png")).astype(int)
    opaque = shown(good / "palette.png")
    assert len(np.unique(opaque.reshape(-1, 3), axis=0)) == 16 and (indices == 3).any()
    np.testing.assert_array_equal(
        shown(good / "palette-transparent.png"), np.where((indices == 3)[:, :, None], 255, opaque)
    )
    np.testing.assert_array_equal(shown(good / "animated.gif"), opaque)
    bits = np.asarray(Image.open(good / "bits.png")).astype(int)
    np.testing.assert_array_equal(shown(good / "bits.png", 1), 255 * bits)


def test_cmyk(odd_pictures: Path, plain: NDArray[np.int64]) -> None:
    np.testing.assert_array_equal(shown(odd_pictures / "good" / "cmyk.tif"), plain)
    # JPEG of random pixels at its best quality; inverted inks, as Adobe writes them, would be off by 128 on average.
    assert np.abs(shown(odd_pictures / "good" / "cmyk.jpg") - plain).mean() < 3


REASONS = {
    "truncated.jpg": "image file is truncated",
    "head.png": "its format is not known|truncated",
    "empty.jpg": "it is empty",
    "text.jpg": "its format is not known",
    "bomb.png": r"Image size \(900000000 pixels\) exceeds limit .* decompression bomb",
    "folder.jpg": "it is a folder without pictures that can be opened here",
    **({"pipe.jpg": "it is not a regular file"} if hasattr(os, "mkfifo") else {}),
    "none.jpg": None,
}


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_be_read_is_named_with_the_reason(name: str, odd_pictures: Path) -> None:
    path = odd_pictures / "bad" / name
    if REASONS[name] is None:
        with pytest.raises(FileNotFoundError, match=rf"^no picture {re.escape(str(path))}$"):
            open_picture(path)
    else:
        with pytest.raises(ValueError, match=rf"^{re.escape(str(path))} is not a readable picture: ({REASONS[name]})"):
            open_picture(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp"])
def test_damaged_pictures_are_named(suffix: str, odd_pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.open(odd_pictures / "plain.png").save(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:9], whole[:1]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"picture\.{suffix} is not a readable picture: \w"):
            open_picture(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp", "ppm"])
def test_any_damage_ends_in_a_picture_or_in_a_clear_error(suffix: str, odd_pictures: Path, tmp_path: Path) -> None:
    """Bytes altered at random: the decoders' own errors, of many classes, never come through."""
    path, random = tmp_path / f"picture.{suffix}", np.random.default_rng(0)
    Image.open(odd_pictures / "plain.png").save(path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    failed = 0
    for _ in range(100):
        altered = whole.copy()
        places = random.integers(0, len(whole), 1 + int(random.integers(0, 8)))
        altered[places] = random.integers(0, 256, len(places))
        path.write_bytes(altered.tobytes())
        try:
            eight_bit(open_picture(path), 3)
        except ValueError as error:
            failed += 1
            assert str(error).startswith(f"{path} is not a readable picture: ")
    assert suffix in ("bmp", "ppm") or failed > 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("negative.tif", r"its floats reach from -0\.4\d* to 0\.4\d*: allowed is 0 to 1 or 0 to 255"),
        ("nan.tif", "its floats reach from nan to nan"),
        ("int32.tif", "its integers reach from .* allowed is 0 to 65535"),
    ],
)
def test_values_on_no_known_scale_are_refused(name: str, message: str, odd_pictures: Path) -> None:
    with pytest.raises(ValueError, match=message):
        eight_bit(open_picture(odd_pictures / "bad" / name), 3)
    with pytest.raises(ValueError, match="the picture has 0×5 pixels"):
        eight_bit(Image.new("RGB", (0, 5)), 3)


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user to whom the modes of files apply; tests may run as root."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such modes")
def test_a_file_that_may_not_be_read_is_named(odd_pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes((odd_pictures / "plain.png").read_bytes())
    path.chmod(0)
    (tmp_path / "secrets").mkdir(mode=0)
    for secret in (path, path.with_name("secrets")):
        with (
            nobody(),
            pytest.raises(ValueError, match=rf"{re.escape(str(secret))} is not a readable picture: Permission denied"),
        ):
            open_picture(secret)


def test_the_picture_given_is_left_as_it_was(odd_pictures: Path) -> None:
    """A PIL picture that the caller opened is read by the same rule, and is not turned itself."""
    given = Image.open(odd_pictures / "good" / "turned-6.png")
    size = given.size
    turned = eight_bit(given, 3)
    assert given.size == size and turned.size == size[::-1]
    assert given.getexif()[0x0112] == 6
