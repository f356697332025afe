"""The corruptions: those of the maintained package at its own strengths, and what holds at ours."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.figures import photographs
from export.figures.corruptions import CORRUPTIONS, apply, corrupt

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
KEPT = np.load(GOLDEN / "corruptions.npz")
CASES = [name for name in KEPT.files if name != "picture"]
DRAWS = 400


@pytest.fixture(autouse=True)
def frost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photographs of noise take the place of the package's, which need not be installed."""
    generator = np.random.default_rng(0)
    (tmp_path / "frost").mkdir()
    for name in ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg"):
        Image.fromarray(generator.integers(0, 256, (300, 400, 3), np.uint8)).save(tmp_path / "frost" / name)
    spec = importlib.util.spec_from_file_location("imagecorruptions", tmp_path / "__init__.py")
    monkeypatch.setattr(photographs, "find_spec", lambda name: spec)


@pytest.fixture(scope="module")
def strengths() -> dict[str, list]:
    """The strengths that are written into the package's functions."""
    spec = importlib.util.spec_from_file_location("corrupt", GOLDEN / "corrupt.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.STRENGTHS


@pytest.mark.parametrize("case", CASES)
def test_at_its_strengths_they_are_the_packages(case: str, strengths: dict[str, list]) -> None:
    name, severity = case.rsplit(" ", 1)
    strength, function = strengths[name][int(severity) - 1], CORRUPTIONS[name][0]
    picture, kept = KEPT["picture"], KEPT[case]
    if kept.ndim == 3:
        found = apply(function, picture[None], strength, np.random.default_rng(0))[0]
        # What it computes in float32 may be rounded to the next number.
        assert abs(found.astype(int) - kept).max() <= (1 if name != "jpeg compression" else 8)
        return
    drawn = apply(function, np.repeat(picture[None], DRAWS, 0), strength, np.random.default_rng(0)).astype(float)
    change = np.sqrt(((drawn - picture) ** 2).mean())
    np.testing.assert_allclose([drawn.mean(), drawn.std(), change], kept, rtol=0.05)


@pytest.mark.parametrize(("size", "channels"), [(60, 3), (80, 1), (224, 3)])
def test_frost_covers_pictures_larger_than_its_photographs(size: int, channels: int) -> None:
    pictures = np.full((3, size, size, channels), 60, np.uint8)
    frosted = corrupt(pictures, "frost", 3)
    assert frosted.shape == pictures.shape
    for edge in (frosted[:, -4:], frosted[:, :, -4:]):
        assert edge.std() > 1, "there is no frost at the edge"


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize(("size", "channels"), [(32, 3), (28, 1)])
def test_each_changes_pictures_of_either_kind_and_the_same_way_again(name: str, size: int, channels: int) -> None:
    row, column = np.mgrid[:size, :size]
    waves = np.stack([np.sin(row / (2 + k)) + np.cos(column / (3 + k)) for k in range(channels)], axis=-1)
    pictures = np.repeat((127 + 60 * waves).astype(np.uint8)[None], 8, 0)
    changes = []
    for severity in range(1, 6):
        found = corrupt(pictures, name, severity)
        assert found.shape == pictures.shape and found.dtype == np.uint8
        assert (found == corrupt(pictures, name, severity)).all()
        changes.append(np.sqrt(((found.astype(float) - pictures) ** 2).mean()))
    assert min(changes) > 0
    # The weakest elastic map moves whole pictures, and each glass blur smooths otherwise.
    assert changes[-1] > changes[0] or name in ("elastic transform", "glass blur")
    if name not in ("defocus blur", "zoom blur", "brightness", "contrast", "pixelate", "jpeg compression"):
        found = corrupt(pictures, name, 3)
        assert (found[0] != found[1]).any() and (found != corrupt(pictures, name, 3, seed=1)).any()


def test_an_elastic_map_without_strength_changes_nothing() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    function = CORRUPTIONS["elastic transform"][0]
    found = apply(function, pictures, (0, 0, 0), np.random.default_rng(0))
    assert abs(found.astype(int) - pictures).max() <= 1
    moved = apply(function, pictures, (0, 0, 0.05), np.random.default_rng(0))
    assert abs(moved.astype(int) - pictures).mean() > 5


def test_what_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.zeros((1, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match="no corruption is named 'rain'; there are gaussian noise, shot noise"):
        corrupt(pictures, "rain", 1)
    with pytest.raises(ValueError, match="severity=6: allowed are 1 to 5"):
        corrupt(pictures, "fog", 6)
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"imagecorruptions-imaug: pip install 'diracnet-zoo\[figures\]'"):
        corrupt(pictures, "frost", 1)
