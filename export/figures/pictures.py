"""The test pictures of a data set: as a net sees them, and at the size at which they are corrupted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zoo import Preprocessing
from zoo.preprocessing import CIFAR, FASHION, KINDS
from zoo.training.classes import split_classes
from zoo.training.data import Pictures
from zoo.training.places import find_place
from zoo.training.sources import default_preprocessing, load_test

SMALLEST = 28
"""Pixels that pictures to corrupt are high and wide, at least: Fashion-MNIST's."""


@dataclass(frozen=True)
class Originals:
    """Pictures at the size at which they are corrupted.

    Args:
        pictures: the pictures.
        own_size: whether that is the data set's own size; otherwise it is that of one net's input, for which they are
            resized and cropped already.
    """

    pictures: Pictures
    own_size: bool

    def seen(self, how: Preprocessing) -> Pictures:
        """Return the pictures as a net sees them."""
        return replace(self.pictures, images=self.crops(self.pictures.images, how))

    def crops(self, images: Tensor, how: Preprocessing) -> Tensor:
        """Return pictures of this size, corrupted ones perhaps, resized and cropped for a net.

        Args:
            images: uint8, (n, height, width, channels).
            how: how pictures become the net's input.
        """
        return torch.stack([_crop(image, how) for image in images.numpy()]) if self.own_size else images


def load_originals(data: str, how: Preprocessing, *, skip_damaged: bool = False) -> Originals:
    """Read the test pictures of a data set.

    CIFAR's and Fashion-MNIST's, named as such, have one size, which is kept. Other pictures have many sizes: they are
    resized and cropped for the net first.

    Args:
        data: the data set; see `zoo.training.sources.load_dataset`.
        how: how pictures become the net's input.
        skip_damaged: leave out what cannot be read.
    """
    own = own_preprocessing(data)
    return Originals(load_test(data, own or how, skip_damaged=skip_damaged), own_size=own is not None)


def own_preprocessing(data: str) -> Preprocessing | None:
    """Return what leaves the pictures of a data set at their own size; None if they have no size in common.

    Example:
        >>> own_preprocessing("fashion-mnist:pictures").size, own_preprocessing("pictures")
        (28, None)
    """
    own = default_preprocessing(data)
    return replace(own, size=own.resize) if find_place(data).named and own in (CIFAR, FASHION) else None


def check_corruptible(data: str, how: Preprocessing) -> None:
    """Raise ValueError unless the corruptions are defined for a data set's pictures; see `load_originals`."""
    if own_preprocessing(data) is not None:
        return
    colours, remedy = len(how.mean), "leave the corruptions out with --corrupted 0"
    if how.size < SMALLEST:
        raise ValueError(
            f"the net sees the pictures of {data} at {how.size}×{how.size} pixels, and the corruptions need "
            f"{SMALLEST}×{SMALLEST} at least; {remedy}"
        )
    if colours not in (1, 3):
        raise ValueError(
            f"the net takes {KINDS[colours]} pictures, and the corruptions are for grey and RGB ones; {remedy}"
        )


def choose(targets: Tensor, count: int) -> Tensor:
    """Return the positions of pictures to corrupt, the same share of each class, drawn with seed 0; all if fewer."""
    return split_classes(targets, min(1, count / len(targets)), seed=0)[1]


def _crop(picture: NDArray[np.uint8], how: Preprocessing) -> Tensor:
    opened = Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)
    return how.crop(opened).permute(1, 2, 0)
