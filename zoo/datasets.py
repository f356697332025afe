"""The data sets that are known by name: the one table behind training, `diracnet ship` and the cards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from zoo.preprocessing import CIFAR, DIGITS, FASHION, IMAGENET, Preprocessing


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """What is known about a data set.

    Args:
        key: its name on the command line, as in `cifar10:FOLDER`.
        title: its name for people, in manifests and on cards.
        note: what a reader of a card must know about it.
        hub_id: ORG/NAME of the very same pictures on the Hub, or None. A re-encoded copy has none: figures measured on
            it would be listed among those of the original.
        preprocessing: how its pictures become a net's input by default.
        in_folders: whether it is a folder of HALF/CLASS/PICTURE; `zoo.training.sources.READERS` reads the others.
        test_split: the split on the Hub that nets are measured on.
    """

    key: str
    title: str
    note: str
    hub_id: str | None = None
    preprocessing: Preprocessing = CIFAR
    in_folders: bool = True
    test_split: str = "test"


_CIFAR10 = "CIFAR-10 (Krizhevsky, 2009): 60,000 photographs of 32×32 pixels in ten classes"
_ROWS = (
    DataSet(key="cifar10", title="CIFAR-10", note=f"{_CIFAR10}.", hub_id="uoft-cs/cifar10", in_folders=False),
    DataSet(
        key="cifar10-jpeg75",
        title="CIFAR-10 (JPEG-75)",
        note=f"{_CIFAR10}, here each encoded as JPEG of quality 75 with 4:2:0 chroma. The encoding loses detail: "
        "figures lie below those on the original pictures and must not be compared with them.",
    ),
    DataSet(
        key="cifar100",
        title="CIFAR-100",
        note="CIFAR-100 (Krizhevsky, 2009): 60,000 photographs of 32×32 pixels in 100 classes.",
        hub_id="uoft-cs/cifar100",
        in_folders=False,
    ),
    DataSet(
        key="fashion-mnist",
        title="Fashion-MNIST",
        note="Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 70,000 grey pictures of clothing, 28×28 pixels, in ten "
        "classes; nets see them in a black border, at 32×32.",
        hub_id="zalando-datasets/fashion_mnist",
        preprocessing=FASHION,
        in_folders=False,
    ),
    DataSet(
        key="imagenet",
        title="ImageNet-1k",
        note="ImageNet (ILSVRC 2012): 1.3 million photographs in 1,000 classes.",
        hub_id="ILSVRC/imagenet-1k",
        preprocessing=IMAGENET,
        in_folders=False,
        test_split="validation",
    ),
    DataSet(
        key="digits",
        title="Digits",
        note="scikit-learn's digits (Alpaydin and Kaynak, 1998): 1,797 grey pictures of digits, 8×8 pixels.",
        preprocessing=DIGITS,
        in_folders=False,
    ),
)
DATASETS: Mapping[str, DataSet] = MappingProxyType({row.key: row for row in _ROWS})
"""Key → data set."""


def find_dataset(name: str) -> DataSet:
    """Return the data set with a title or a key; for any other name, such as a user's own, a row with nothing else."""
    for row in _ROWS:
        if name in (row.title, row.key):
            return row
    key = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return DataSet(key=key, title=name, note=f"{name}; nothing more is recorded.")
