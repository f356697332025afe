"""Pictures to calibrate on: a few of those that a net was trained on, drawn by a seed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from zoo import Preprocessing
from zoo.training.sources import DIGITS_NAME, load_dataset

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
        ValueError: no such folder, or it holds no pictures, or one of them cannot be read.
    """
    generator = torch.Generator().manual_seed(seed)
    if data == DIGITS_NAME:
        digits: Any = load_dataset(data, preprocessing.size).train
        images = digits.images[torch.randperm(len(digits), generator=generator)[:count]]
    else:
        files = picture_files(Path(data))
        chosen = [files[place] for place in torch.randperm(len(files), generator=generator)[:count].tolist()]
        images = torch.stack([_crop(file, preprocessing) for file in chosen])
    digest = hashlib.sha256(str(tuple(images.shape)).encode() + images.contiguous().numpy().tobytes()).hexdigest()
    return images, {"pictures": len(images), "seed": seed, "sha256": digest}


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures below a folder, or below its train/ if it has one, by name.

    Raises:
        ValueError: there are none, or the folder is a data set without its training half.
    """
    half = folder / "train" if (folder / "train").is_dir() else folder
    if half == folder and (folder / "test").is_dir():
        raise ValueError(f"{folder} has test/ but no train/: nets are calibrated on what they were trained on")
    files = sorted(file for file in half.rglob("*") if file.suffix.lower() in IMG_EXTENSIONS)
    if not files:
        raise ValueError(
            f"no pictures ({', '.join(IMG_EXTENSIONS)}) below {half}; name a data set with train/CLASS/PICTURE, a "
            f"folder of pictures, or the word '{DIGITS_NAME}'"
        )
    return files


def _crop(file: Path, preprocessing: Preprocessing) -> Tensor:
    try:
        with Image.open(file) as picture:
            return preprocessing.crop(picture).permute(1, 2, 0)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} is no picture that can be read: {error}") from error
