"""Training data: labelled pictures held in memory as uint8, and batches augmented from (seed, epoch, index) alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets import ImageFolder

from pixels import open_picture
from zoo.preprocessing import CIFAR, Preprocessing
from zoo.training.recipes import Recipe

DIGITS_NAME = "digits"
DIGITS = Preprocessing(resize=16, size=16, interpolation="bilinear", mean=(0.305,), std=(0.375,))
"""For scikit-learn's digits, rescaled to 0…255."""


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures of one size.

    Args:
        images: uint8, (n, height, width, channels).
        targets: int64, (n,), indices into `classes`.
        classes: label of each class.
    """

    images: Tensor
    targets: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def subset(self, indices: Tensor) -> Pictures:
        """Return the pictures at these positions."""
        return Pictures(self.images[indices], self.targets[indices], self.classes)

    def split(self, share: float, seed: int) -> tuple[Pictures, Pictures]:
        """Return (rest, held out) where the second has this share of each class, drawn by the seed."""
        generator = torch.Generator().manual_seed(seed)
        held = torch.zeros(len(self), dtype=torch.bool)
        for target in range(len(self.classes)):
            members = (self.targets == target).nonzero().flatten()
            held[members[torch.randperm(len(members), generator=generator)[: round(share * len(members))]]] = True
        return self.subset((~held).nonzero().flatten()), self.subset(held.nonzero().flatten())

    def sha256(self) -> str:
        """Return the fingerprint of pixels, targets and labels: the same data give the same one wherever they lie."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        for tensor in (self.images, self.targets):
            digest.update(str(tuple(tensor.shape)).encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """Training and test pictures with the preprocessing that both get."""

    train: Pictures
    test: Pictures
    preprocessing: Preprocessing


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
        images[index] = preprocessing.crop(open_picture(Path(path))).permute(1, 2, 0)
    return Pictures(images, torch.tensor(folder.targets), tuple(folder.classes))


def _digits(preprocessing: Preprocessing) -> tuple[Pictures, Pictures]:
    """Training and test half of scikit-learn's digits, four fifths and one fifth of each class."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    enlarged = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    images = torch.stack([preprocessing.crop(Image.fromarray(image)).permute(1, 2, 0) for image in enlarged])
    classes = tuple(str(digit) for digit in range(10))
    return Pictures(images, torch.from_numpy(bunch.target).long(), classes).split(0.2, seed=0)


def batches(
    pictures: Pictures,
    preprocessing: Preprocessing,
    recipe: Recipe,
    *,
    seed: int,
    epoch: int,
    first_step: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield an epoch's (input, targets) in a fresh order, randomly cropped and mirrored as the recipe says.

    Order, crops and flips depend on seed and epoch alone, so that a run resumed at `first_step` sees what an
    uninterrupted one saw.
    With share=(i, n) only the i-th of n equal parts of each batch is made. The input is float32, (batch_size / n,
    channels, height, width), in channels_last order.
    """
    # Distinct streams for all (seed, epoch): SeedSequence mixes them, where a sum would repeat (1, 2) as (2, 1).
    state = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]) >> 1
    generator = torch.Generator().manual_seed(state)
    count, (height, width) = len(pictures), pictures.images.shape[1:3]
    order = torch.randperm(count, generator=generator)
    pad = recipe.crop_padding
    tops, lefts = torch.randint(-pad, pad + 1, (2, count), generator=generator)
    mirrored = (torch.rand(count, generator=generator) < 0.5) & recipe.flip

    for start in range(first_step * recipe.batch_size, count - recipe.batch_size + 1, recipe.batch_size):
        chosen = order[start : start + recipe.batch_size].chunk(share[1])[share[0]]
        rows = _reflect(tops[chosen, None] + torch.arange(height), height)
        columns = _reflect(lefts[chosen, None] + torch.arange(width), width)
        columns = torch.where(mirrored[chosen, None], columns.flip(1), columns)
        crops = pictures.images[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
        yield preprocessing.normalize(crops.permute(0, 3, 1, 2)), pictures.targets[chosen]


def _reflect(positions: Tensor, size: int) -> Tensor:
    """Map positions up to size - 1 beyond either border back inside, by reflection without repeating the border."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()
