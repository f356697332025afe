"""Pictures to calibrate on: a few of those that a net was trained on, drawn by a seed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pixels import find_pictures, open_picture
from zoo import Preprocessing
from zoo.training.sources import load_sample

SEED = 0
COUNT = 512


def draw_pictures(
    data: str, preprocessing: Preprocessing, count: int = COUNT, seed: int = SEED
) -> tuple[Tensor, dict[str, Any]]:
    """Return pictures drawn from a data set, and where they come from.

    Args:
        data: a data set as training takes it, of which only the training half is used; or any folder of pictures.
        preprocessing: how pictures become the net's input; they are resized and cropped by it.
        count: how many, or fewer where there are not as many.
        seed: of the draw.

    Returns:
        uint8 (n, size, size, channels), in an order drawn by the seed; and the number, the seed and the sha256 of the
        pixels, for a record.

    Raises:
        ValueError: no such data, or one of the pictures cannot be read, or the data set has a test half alone.
    """
    folder = Path(data)
    if folder.is_dir() and not any((folder / half).is_dir() for half in ("train", "test", "val")):
        files = find_pictures([folder])
        order = torch.randperm(len(files), generator=torch.Generator().manual_seed(seed))[:count].tolist()
        images = torch.stack([preprocessing.crop(open_picture(files[place])).permute(1, 2, 0) for place in order])
    else:
        images = load_sample(data, preprocessing, count, seed)
    digest = hashlib.sha256(str(tuple(images.shape)).encode() + images.contiguous().numpy().tobytes()).hexdigest()
    return images, {"pictures": len(images), "seed": seed, "sha256": digest}
