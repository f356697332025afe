"""Inference without PyTorch: ONNX Runtime, numpy and Pillow, from a bundle or from a bare .onnx file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from export.layout import GRAPH, INPUT, METADATA_KEY, OUTPUT
from export.published import located

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Prediction:
    """One class with its probability, between 0 and 1."""

    label: str
    probability: float


class Classifier:
    """A net in ONNX Runtime, which knows from the file's metadata how to prepare pictures and what classes mean.

    Args:
        source: a bundle's folder, an .onnx file of one, or `ORG/NAME` or `ORG/NAME@REVISION` on the Hub.
        threads: of ONNX Runtime within an operator; 0 for its own choice.

    Raises:
        FileNotFoundError, RuntimeError: no such folder or file, or it cannot be fetched.
        ValueError: the file is no ONNX model, was not written by this package, or was damaged on its way.
    """

    def __init__(self, source: str | Path, *, threads: int = 0) -> None:
        path = located(source)
        if path.is_dir():
            if not (path / GRAPH).is_file():
                raise FileNotFoundError(f"{path} is no bundle: it has no {GRAPH}")
            path = path / GRAPH
        if not path.is_file():
            raise FileNotFoundError(f"no ONNX file {path}")
        import onnxruntime  # here, because predicting with PyTorch uses the rest of this file

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common class but Exception
            raise ValueError(f"ONNX Runtime cannot load {path}: {error}") from error
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise ValueError(f"{path} does not say how to prepare its pictures: its metadata lack {METADATA_KEY!r}")
        self.description: dict[str, Any] = json.loads(text)
        missing = {"preprocessing", "id2label", "untrained"} - self.description.keys()
        if missing:
            raise ValueError(f"{path} does not describe itself fully: its metadata lack {', '.join(sorted(missing))}")

    def preprocess(self, picture: Image.Image) -> NDArray[np.float32]:
        """Map a PIL picture to the net's input, (channels, size, size)."""
        how = self.description["preprocessing"]
        size, width, height = how["size"], *picture.size
        short = min(width, height)
        # As torchvision's Resize and CenterCrop compute them, so that both paths see the same pixels.
        scaled = (int(how["resize"] * width / short), int(how["resize"] * height / short))
        resized = picture.convert("RGB" if len(how["mean"]) == 3 else "L").resize(
            scaled, _RESAMPLING[how["interpolation"]]
        )
        left, top = (round((length - size) / 2) for length in resized.size)
        pixels = np.asarray(resized.crop((left, top, left + size, top + size)), np.float32).reshape(size, size, -1)
        mean, std = (np.asarray(how[key], np.float32) for key in ("mean", "std"))
        return np.ascontiguousarray(((pixels / np.float32(255) - mean) / std).transpose(2, 0, 1))

    def logits(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map inputs (batch, channels, height, width) to logits (batch, classes)."""
        result: NDArray[np.float32] = self._session.run([OUTPUT], {INPUT: batch})[0]
        return result

    def predict(self, pictures: Sequence[Image.Image], top: int = 5) -> list[list[Prediction]]:
        """Return for each picture its `top` classes, most probable first."""
        batch = np.stack([self.preprocess(picture) for picture in pictures])
        return [rank(row, self.description["id2label"], top) for row in self.logits(batch)]


def rank(logits: NDArray[np.float32], labels: Mapping[str, str], top: int = 5) -> list[Prediction]:
    """Return the `top` classes of one row of logits, most probable first; labels are keyed by the index's digits."""
    exponentials = np.exp(logits - logits.max())
    probabilities = exponentials / exponentials.sum()
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [Prediction(labels.get(str(index), f"class {index}"), float(probabilities[index])) for index in order]


def open_picture(path: Path) -> Image.Image:
    """Return the picture in a file, turned upright as its camera noted.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no picture, or is damaged.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return ImageOps.exif_transpose(picture)
    except FileNotFoundError:
        raise FileNotFoundError(f"no picture {path}") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is no picture that can be read: {error}") from error
