"""A net in PyTorch with the interface of `export.runtime.Classifier`; the runtimes are compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from zoo import build_from
from zoo.reference import known_temperature, open_model
from zoo.weights.checkpoint import UNTRAINED


class TorchClassifier:
    """A net of the zoo with its preprocessing.

    Args:
        reference: `NAME:tag`, `NAME` (untrained) or a checkpoint file.
        mirror: a folder to take the weights of `NAME:tag` from.
        threads: PyTorch's threads within an operator, for the whole process; 0 lets PyTorch choose.

    Raises:
        ValueError: the net does not exist, or the checkpoint does not say how to prepare pictures for it.
        FileNotFoundError, RuntimeError: the weights are not on this machine and cannot be fetched.
    """

    def __init__(self, reference: str, *, threads: int = 0, mirror: Path | None = None) -> None:
        checkpoint, record = open_model(reference, mirror=mirror)
        self._preprocessing = checkpoint.known_preprocessing()
        if threads:
            torch.set_num_threads(threads)
        self._net = build_from(checkpoint)
        self.labels: Mapping[str, str] = {str(index): label for index, label in enumerate(checkpoint.labels)}
        self.untrained = checkpoint.tag == UNTRAINED
        self.temperature = known_temperature(checkpoint, record)

    def preprocess(self, picture: Image.Image) -> NDArray[Any]:
        """Map a PIL picture to the net's input, float32 (channels, size, size)."""
        return self._preprocessing(picture).numpy()

    def logits(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Map a batch of preprocessed pictures to logits (batch, classes)."""
        with torch.inference_mode():
            result: NDArray[np.float32] = self._net(torch.from_numpy(batch)).numpy()
        return result
