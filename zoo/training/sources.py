"""Where labelled pictures come from: folders of pictures, the files of well-known data sets, scikit-learn's digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from zoo.preprocessing import CIFAR, Preprocessing
from zoo.training.data import Dataset, Pictures

DIGITS_NAME = "digits"
DIGITS = Preprocessing(resize=16, size=16, interpolation="bilinear", mean=(0.305,), std=(0.375,))
"""For scikit-learn's digits, rescaled to 0…255."""


def load_dataset(data: str, size: int | None = None) -> Dataset:
    """Read a data set into memory.

    Args:
        data: the word "digits" (scikit-learn's, needs the `train` extra), or a folder that holds `train/CLASS/*` and
            `test/CLASS/*`, of pictures that become RGB.
        size: height and width in pixels that pictures are resized to; by default 32, or 16 for the digits.

    Raises:
        ValueError: no such folder, or the two halves have different classes.
    """
    check_dataset(data)
    preprocessing = DIGITS if data == DIGITS_NAME else CIFAR
    if size is not None:
        preprocessing = replace(preprocessing, resize=size, size=size)
    train, test = _load(data, "train", preprocessing), load_test(data, preprocessing)
    if train.classes != test.classes:
        raise ValueError(f"{data}: the classes of train ({train.classes}) and test ({test.classes}) differ")
    return Dataset(train, test, preprocessing)


def load_test(data: str, preprocessing: Preprocessing) -> Pictures:
    """Read the test pictures of a data set, cropped as a net wants them; see `load_dataset`."""
    return _load(data, "test", preprocessing)


def check_dataset(data: str) -> None:
    """Raise ValueError unless `data` is what `load_dataset` takes."""
    missing = [name for name in ("train", "test") if not (Path(data) / name).is_dir()]
    if data != DIGITS_NAME and missing:
        raise ValueError(
            f"{data} has no folder {' and no folder '.join(missing)}: a data set is a folder with train/CLASS/PICTURE "
            f"and test/CLASS/PICTURE, or the word '{DIGITS_NAME}'"
        )


def _load(data: str, half: str, preprocessing: Preprocessing) -> Pictures:
    if data == DIGITS_NAME:
        return _digits(preprocessing)[half == "test"]
    folder = ImageFolder(str(Path(data) / half))
    size, channels = preprocessing.size, len(preprocessing.mean)
    images = torch.empty(len(folder), size, size, channels, dtype=torch.uint8)
    for index, (path, _) in enumerate(folder.samples):
        with Image.open(path) as picture:
            images[index] = preprocessing.crop(picture).permute(1, 2, 0)
    return Pictures(images, torch.tensor(folder.targets), tuple(folder.classes))


def _digits(preprocessing: Preprocessing) -> tuple[Pictures, Pictures]:
    """Training and test half of scikit-learn's digits, four fifths and one fifth of each class."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    enlarged = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    images = torch.stack([preprocessing.crop(Image.fromarray(image)).permute(1, 2, 0) for image in enlarged])
    classes = tuple(str(digit) for digit in range(10))
    return Pictures(images, torch.from_numpy(bunch.target).long(), classes).split(0.2, seed=0)
