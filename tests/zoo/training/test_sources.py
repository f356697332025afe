"""Data sets: where pictures come from, what is drawn at random, reading from files epoch by epoch."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.training.data import Dataset, Place
from zoo.training.loop import train
from zoo.training.places import check_dataset
from zoo.training.recipes import RECIPES
from zoo.training.sources import load_dataset, load_test

RANDOM = np.random.default_rng(0)
STREAMED = dataclasses.replace(RECIPES["digits"], crop="resized", batch_size=4, model="diracnet10_cifar", epochs=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures of several sizes in two classes to train on, four to test."""
    for half, count in (("train", 6), ("val", 2)):
        for name in ("cat", "dog"):
            (tmp_path / half / name).mkdir(parents=True)
            for index in range(count):
                pixels = RANDOM.integers(0, 256, (40 + 3 * index, 60 - index, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / half / name / f"{index}.png")
    return tmp_path


def test_an_unknown_source_is_an_error(tmp_path: Path) -> None:
    known = r"a data set is a folder .* one of cifar10:FOLDER, cifar10-jpeg75:FOLDER, cifar100:FOLDER, .* 'digits'"
    with pytest.raises(
        ValueError, match=rf"^{re.escape(str(tmp_path))} has no folder train \(it has no folders\); {known}"
    ):
        check_dataset(str(tmp_path))
    for data in (f"svhn:{tmp_path}", str(tmp_path / "none")):
        with pytest.raises(FileNotFoundError, match=rf"^there is no folder {data}; {known}"):
            check_dataset(data)
    with pytest.raises(ValueError, match="digits has no picture files to stream"):
        load_dataset("digits", stream=True)


def streamed(folder: Path, workers: int = 0) -> Dataset:
    return load_dataset(str(folder), 32, stream=True, workers=workers)


def test_streamed_pictures_depend_on_seed_and_epoch_alone(folder: Path) -> None:
    def images(seed: int, epoch: int, first_step: int = 0, workers: int = 0) -> list[torch.Tensor]:
        data = streamed(folder, workers)
        parts = data.train.batches(data.preprocessing, STREAMED, Place(seed, epoch, first_step))
        return [part.images for part in parts]

    whole = images(0, 1)
    assert [tuple(image.shape) for image in whole] == [(4, 3, 32, 32)] * 3
    for other in (images(0, 1, workers=2), [whole[0], *images(0, 1, first_step=1)]):
        assert all(torch.equal(a, b) for a, b in zip(whole, other, strict=True))
    for other in (images(0, 2), images(1, 1)):
        assert not any(torch.equal(a, b) for a, b in zip(whole, other, strict=True))


def test_processes_share_a_streamed_batch(folder: Path) -> None:
    data = streamed(folder)
    whole = list(data.train.batches(data.preprocessing, STREAMED, Place(seed=0, epoch=0)))
    parts = [
        list(data.train.batches(data.preprocessing, STREAMED, Place(seed=0, epoch=0, share=(i, 2)))) for i in (0, 1)
    ]
    for both, *halves in zip(whole, *parts, strict=True):
        for joined, pair in zip(both, zip(*halves, strict=True), strict=True):
            assert torch.equal(joined, torch.cat(pair))


def test_streamed_test_pictures_equal_those_in_memory(folder: Path) -> None:
    data = streamed(folder)
    memory = load_test(str(folder), data.preprocessing)
    images, targets = (torch.cat(parts) for parts in zip(*data.test.in_order(3), strict=True))
    assert torch.equal(images, memory.images.permute(0, 3, 1, 2)) and torch.equal(targets, memory.targets)


def test_a_streamed_run_is_trained_and_resumed(folder: Path, tmp_path: Path) -> None:
    data = streamed(folder)

    def stop(progress: object) -> None:
        if progress.epoch == 1 and progress.step == 1:
            raise KeyboardInterrupt

    state = torch.get_rng_state()
    train(STREAMED, data, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(STREAMED, data, tmp_path / "parts", on_step=stop, save_every=0)
    train(STREAMED, data, tmp_path / "parts")
    files = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", "parts")]
    assert files[0] == files[1] and torch.equal(state, torch.get_rng_state())
    with pytest.raises(ValueError, match="crop='padded': these pictures were loaded for crop='resized'"):
        train(dataclasses.replace(STREAMED, crop="padded"), data, tmp_path / "wrong")


def test_the_fingerprint_of_files_tells_another_file_and_another_class(folder: Path) -> None:
    first = streamed(folder).train.sha256()
    assert first == streamed(folder).train.sha256()
    (folder / "train" / "cat" / "0.png").rename(folder / "train" / "dog" / "9.png")
    assert streamed(folder).train.sha256() != first
