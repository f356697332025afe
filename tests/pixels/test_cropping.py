"""Cropping: torchvision's pixels, for pictures of any size, also where the whole would not fit into memory."""

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

import pixels.cropping
from pixels import INTERPOLATIONS, crop

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def picture(width: int, height: int, channels: int = 3) -> Image.Image:
    """Draw pixels at random; smooth ones would hide that a crop is one pixel off."""
    generator = np.random.default_rng([width, height])
    return Image.fromarray(generator.integers(0, 256, (height, width, max(channels, 3)), dtype=np.uint8)).convert(
        MODES[channels]
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("resize", "size"), [(32, 32), (256, 224), (37, 30), (17, 16), (5, 1)])
def test_the_pixels_are_torchvisions(resize: int, size: int, interpolation: str, channels: int) -> None:
    expected = v2.Compose(
        [v2.Resize(resize, v2.InterpolationMode(interpolation)), v2.CenterCrop(size), v2.PILToTensor()]
    )
    random = np.random.default_rng([resize, size, channels]).integers(1, 500, (30, 2)).tolist()
    long = 40_000 // resize  # 13,333 pixels in a row once they are resized
    for width, height in [*random, [1, 1], [1, 90], [resize, resize + 1], [resize, resize], [long, 3], [3, long]]:
        given = picture(width, height, channels)
        found = crop(given, resize=resize, size=size, interpolation=interpolation, channels=channels)
        assert found.dtype == np.uint8 and found.shape == (size, size, channels) and found.flags.writeable
        np.testing.assert_array_equal(
            found, expected(given).permute(1, 2, 0).numpy(), err_msg=f"{width}×{height}, {interpolation}"
        )


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [(400, 30), (30, 400), (301, 299), (2000, 3), (3, 2000)])
def test_resizing_the_centre_alone_differs_by_rounding(
    size: tuple[int, int], interpolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"resize": 64, "size": 50, "interpolation": interpolation, "channels": 3}
    whole = crop(picture(*size), **how).astype(int)
    monkeypatch.setattr(pixels.cropping, "_WHOLE", 0)
    centre = crop(picture(*size), **how).astype(int)
    difference = np.abs(whole - centre)
    # Pillow may order the two directions otherwise for a whole picture; bicubic then clips overshoots elsewhere.
    assert difference.max() <= (2 if interpolation == "bilinear" else 24) and difference.mean() < 0.5
    shifted = np.abs(whole[:, 1:] - centre[:, :-1]).mean() + np.abs(whole[1:] - centre[:-1]).mean()
    assert shifted > 10 * difference.mean()


@pytest.mark.parametrize("crop_size", [224, 300])
@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000), (20_000, 10), (10, 20_000), (1, 3_000_000), (3_000_000, 1)])
def test_long_pictures_need_little_memory(size: tuple[int, int], crop_size: int) -> None:
    """Resized as a whole, the first would take 15 GB; what is made has at most the crop's size."""
    made = []
    original = Image.Image.resize

    def resize(self: Image.Image, *arguments: object) -> Image.Image:
        made.append(original(self, *arguments))
        return made[-1]

    given = Image.linear_gradient("L").resize(size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "resize", resize)
        found = crop(given, resize=256, size=crop_size, interpolation="bilinear", channels=3)
    assert max(one.width * one.height for one in made) <= crop_size**2
    # The centre of a ramp from black to white is grey, and as long a picture shows hardly more of it.
    border = max(0, crop_size - 256) // 2
    rows = found[:, :, 0] if size[0] > size[1] else found[:, :, 0].T
    assert not rows[:border].any() and not rows[crop_size - border :].any()
    along = rows[border : crop_size - border].mean(axis=0)
    assert abs(along - 127).max() <= 8
