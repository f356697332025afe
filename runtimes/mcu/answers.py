"""What nets answer for test pictures: the float net, and LiteRT's kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.integer.net import OFFSET
from export.litert.interpreter import Interpreter
from runtimes.crops import spaced
from zoo import Preprocessing
from zoo.training.data import Pictures

REFERENCE = 200
"""How many test pictures LiteRT's reference kernels see, which are slow; evenly spaced."""
_BATCH = 250


@dataclass(frozen=True)
class Answers:
    """A float net's answers.

    Args:
        pictures: uint8, (n, size, size, channels).
        targets: (n,), the class of each picture.
        logits: float32, (n, classes).
    """

    pictures: NDArray[np.uint8]
    targets: NDArray[np.int64]
    logits: NDArray[np.float32]

    @classmethod
    def of(cls, net: nn.Module, preprocessing: Preprocessing, test: Pictures, count: int) -> Answers:
        """Ask a net for at most so many evenly spaced pictures."""
        images, targets = (torch.cat(parts) for parts in zip(*test.in_order(_BATCH), strict=True))
        chosen = spaced(len(images), count)
        images, targets = images[chosen], targets[chosen]
        with torch.inference_mode():
            logits = torch.cat([net(preprocessing.normalize(part)) for part in images.split(_BATCH)])
        return cls(np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy()), targets.numpy(), logits.numpy())

    def top1(self, logits: NDArray[Any]) -> float:
        """Return how many percent of the pictures get their class."""
        return 100 * float((logits.argmax(1) == self.targets).mean())

    def agreement(self, logits: NDArray[Any]) -> float:
        """Return how many percent of the pictures get the float net's answer."""
        return 100 * float((logits.argmax(1) == self.logits.argmax(1)).mean())

    @property
    def chosen(self) -> slice:
        """The pictures for the reference kernels."""
        return spaced(len(self.pictures), REFERENCE)


def codes(pictures: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return pictures as LiteRT's int8 models take them."""
    return (pictures.astype(np.int16) - OFFSET).astype(np.int8)


def litert(model: Path, pictures: NDArray[np.uint8], kernels: str) -> NDArray[np.int8]:
    """Return the logits that LiteRT computes with some of its `KERNELS`, int8 (n, classes)."""
    interpreter = Interpreter(model, kernels, threads=torch.get_num_threads())
    size = 50 if kernels == "reference" else _BATCH
    parts = np.array_split(pictures, max(1, len(pictures) // size))
    return np.concatenate([interpreter.run(codes(part)) for part in parts])


def measured(answers: Answers, int8: NDArray[np.int8], default: NDArray[np.int8]) -> Mapping[str, Any]:
    """Return the accuracies of a net.

    Args:
        answers: of the float net.
        int8: the logits of its int8 form.
        default: those that LiteRT's default kernels compute.
    """
    return {
        "pictures": len(answers.pictures),
        "float32": answers.top1(answers.logits),
        "int8": answers.top1(int8),
        "litert_default": answers.top1(default),
        "agreement": answers.agreement(int8),
    }
