"""Pictures to calibrate on: a few of those that a net was trained on, drawn by a seed."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pixels import PassedOver, find_pictures
from zoo import Preprocessing
from zoo.training.data import Pictures
from zoo.training.places import is_plain_folder
from zoo.training.reading import read_drawn
from zoo.training.sources import load_sample, names_of
from zoo.weights.checkpoint import tensor_bytes

SEED = 0
COUNT = 512
FEWEST = 10
"""Pictures below which calibration would see too little of what a net computes."""

_log = logging.getLogger(__name__)


def draw_pictures(
    data: str, preprocessing: Preprocessing, count: int = COUNT, seed: int = SEED, *, skip_damaged: bool = False
) -> tuple[Tensor, dict[str, Any]]:
    """Return pictures drawn from a data set, and where they come from.

    Args:
        data: a data set as training takes it, of which only the training half is used; or any folder of pictures.
        preprocessing: how pictures become the net's input; they are resized and cropped by it.
        count: how many, or fewer where there are not as many.
        seed: of the draw.
        skip_damaged: draw others in place of pictures that cannot be read.

    Returns:
        uint8 (n, size, size, channels), in an order drawn by the seed; and the number, the seed, the sha256 of the
        pixels and the names of what was left out as damaged, for a record.

    Raises:
        ValueError: no such data, pictures that cannot be read, too few different ones to calibrate on (equal ones and
            those of a single colour do not count), or a data set with a test half alone.
    """
    if is_plain_folder(data):
        pictures = _read_folder(Path(data), preprocessing, count, seed, skip_damaged=skip_damaged)
        damaged = [path.relative_to(data).as_posix() for path in pictures.damaged]
    else:
        pictures = load_sample(data, preprocessing, count, seed, skip_damaged=skip_damaged)
        damaged = names_of(pictures.damaged, data)
    _check_variety(pictures.images, data)
    digest = hashlib.sha256(tensor_bytes(pictures.images)).hexdigest()
    left_out = {"skipped": damaged} if damaged else {}
    return pictures.images, {"pictures": len(pictures), "seed": seed, "sha256": digest, **left_out}


def _read_folder(folder: Path, preprocessing: Preprocessing, count: int, seed: int, *, skip_damaged: bool) -> Pictures:
    passed_over = PassedOver()
    files = find_pictures([folder], passed_over)
    if passed_over:
        _log.warning("%s: passed over: %s", folder, passed_over)
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(seed)).tolist()
    # A folder without pictures stands for itself, and reading it says so.
    skip_damaged = skip_damaged and files != [folder]
    return read_drawn((files, [0] * len(files), ("",)), order, count, preprocessing, skip_damaged=skip_damaged)


def _check_variety(images: Tensor, data: str) -> None:
    """Raise ValueError where the pictures say too little of what layers compute: few, equal, or of one colour each."""
    colourful = images[(images != images[:, :1, :1]).flatten(1).any(dim=1)]
    different = len(torch.unique(colourful, dim=0)) if len(colourful) else 0
    if different < FEWEST:
        raise ValueError(
            f"{data} has {len(images)} pictures, of which {different} are different and of more than one colour; "
            f"calibration needs at least {FEWEST}, better {COUNT}, like those that the net will see"
        )
