"""Grey pictures, RGB ones and RGB ones with alpha: from a folder to training, a bundle and answers."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from export import Classifier, export_bundle, verify
from export.int8.source import quantize_on
from export.layout import GRAPHS
from zoo import Checkpoint, build_from
from zoo.preprocessing import CIFAR, DIGITS, Preprocessing
from zoo.training.evaluate import answer_pictures, check_classes
from zoo.training.loop import train
from zoo.training.recipes import RECIPES
from zoo.training.sources import load_dataset, load_test

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
RECIPE = dataclasses.replace(RECIPES["digits"], batch_size=8, model="diracnet10_cifar", epochs=1)


@pytest.fixture(params=MODES)
def channels(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def data(channels: int, tmp_path: Path) -> Path:
    """Twelve training and four test pictures of two classes, which the last channel alone tells apart."""
    generator = np.random.default_rng(0)
    for half, count in (("train", 12), ("test", 4)):
        for index, name in enumerate("ab"):
            (tmp_path / "d" / half / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (20, 20, channels), np.uint8)
                pixels[..., -1] = pixels[..., -1] // 2 + 127 * index
                picture = Image.fromarray(pixels.squeeze(-1) if channels == 1 else pixels)
                picture.save(tmp_path / "d" / half / name / f"{number}.png")
    return tmp_path / "d"


@pytest.mark.parametrize(
    "channels",
    [pytest.param(1, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow), 4],
    indirect=True,
)
def test_each_kind_is_trained_exported_verified_and_predicted(channels: int, data: Path, tmp_path: Path) -> None:
    found = load_dataset(str(data), 20, channels=channels)
    first = np.asarray(Image.open(data / "train/a/0.png")).reshape(20, 20, channels)
    assert (found.train.images[0].numpy() == first).all()
    train(RECIPE, found, tmp_path / "run")
    source = Checkpoint.load(tmp_path / "run" / "model.safetensors")
    assert source.spec.in_channels == channels and source.preprocessing == found.preprocessing
    test = load_test(str(data), source.known_preprocessing())
    check_classes(source, test, "net", "data")
    expected = answer_pictures(build_from(source), test, source.known_preprocessing())
    record = quantize_on(source, str(data))
    export_bundle(source, tmp_path / "b", formats=["int8"], quantization=record)
    verify(tmp_path / "b")
    pictures = [Image.open(path) for path in test.paths]
    for precision, limit in (("fp32", 1e-3), ("int8", 0.5)):
        for name in (GRAPHS[precision].path, GRAPHS[precision].pictures):
            net = Classifier(tmp_path / "b" / name)
            logits = net.logits(np.stack([net.preprocess(picture) for picture in pictures]))
            assert abs(logits - expected.logits.numpy()).max() < limit, name
    card = (tmp_path / "b" / "README.md").read_text()
    assert f"{ {1: 'grey', 3: 'RGB', 4: 'RGBA'}[channels] } pictures of 20×20 pixels" in card


def test_streamed_pictures_have_the_channels_too(channels: int, data: Path) -> None:
    found = load_dataset(str(data), 20, channels=channels, stream=True, workers=0)
    assert found.preprocessing.mean == load_dataset(str(data), 20, channels=channels, stream=True).preprocessing.mean
    images, _ = next(iter(found.test.in_order(8)))
    assert torch.equal(images[0], load_test(str(data), found.preprocessing).images[0].permute(2, 0, 1))


@pytest.mark.parametrize("known", [CIFAR, DIGITS], ids=["RGB", "grey"])
def test_values_of_channels_follow_from_each_other(known: Preprocessing, channels: int) -> None:
    other = known.with_channels(channels)
    assert len(other.mean) == len(other.std) == channels and other.with_channels(channels) == other
    assert (other.size, other.resize, other.interpolation) == (known.size, known.resize, known.interpolation)
    assert np.mean(other.mean[:3]) == pytest.approx(np.mean(known.mean))
    if channels == 4:
        assert other.mean[3] == other.std[3] == 0.5 and other.with_channels(3) == known.with_channels(3)


@pytest.mark.parametrize("channels", [0, 2, 5])
def test_other_numbers_of_channels_are_refused(channels: int) -> None:
    with pytest.raises(
        ValueError, match=rf"channels={channels}: pictures become one of 1 \(grey\), 3 \(RGB\), 4 \(RGBA\)"
    ):
        CIFAR.with_channels(channels)
    with pytest.raises(ValueError, match=r"mean=\(.*\): must be 1 or 3 or 4 numbers"):
        dataclasses.replace(CIFAR, mean=(0.5,) * channels, std=(0.5,) * channels)
