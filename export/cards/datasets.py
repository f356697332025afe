"""What cards say about data sets, by the name that a record gives."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Dataset:
    """One data set: its identifier on the Hub, if it has one, and what a reader must know of it."""

    identifier: str | None
    note: str


_CIFAR10 = "CIFAR-10 (Krizhevsky, 2009): 60,000 photographs of 32×32 pixels in ten classes"
DATASETS = {
    "CIFAR-10": Dataset("uoft-cs/cifar10", f"{_CIFAR10}."),
    "CIFAR-10 (JPEG-75)": Dataset(
        "uoft-cs/cifar10",
        f"{_CIFAR10}, here each encoded as JPEG of quality 75 with 4:2:0 chroma. The encoding loses detail: figures "
        "lie below those on the original pictures and must not be compared with them.",
    ),
    "Fashion-MNIST": Dataset(
        "zalando-datasets/fashion_mnist",
        "Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 70,000 grey pictures of clothing, 28×28 pixels, in ten "
        "classes; nets see them in a black border, at 32×32.",
    ),
    "ImageNet-1k": Dataset("ILSVRC/imagenet-1k", "ImageNet (ILSVRC 2012): 1.3 million photographs in 1,000 classes."),
}


def dataset_identifier(name: str) -> str:
    """Return the Hub's identifier of a data set, or its name as one word where the Hub has none."""
    known = DATASETS.get(name)
    return known.identifier if known and known.identifier else re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
