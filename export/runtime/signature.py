"""What a graph takes and gives, as the graph itself says: the other half of what its description must fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from export.layout import OUTPUT

_PIXELS, _FLOATS = "tensor(uint8)", "tensor(float)"


@dataclass(frozen=True)
class Signature:
    """The input and the logits of a classifier.

    Args:
        input: the input's name.
        kind: the input's type, in ONNX Runtime's words.
        batch: the only number of pictures that the graph takes at a time; None if it takes any.
        channels: channels of its pictures; None if it does not say.
        size: the only height and width of its pictures; None if it takes any.
        classes: number of logits; None if it does not say.
    """

    input: str
    kind: str
    batch: int | None
    channels: int | None
    size: int | None
    classes: int | None

    @property
    def takes_pixels(self) -> bool:
        """Whether it takes cropped pictures, uint8 (batch, size, size, channels), instead of normalized input."""
        return self.kind == _PIXELS

    @classmethod
    def of(cls, session: onnxruntime.InferenceSession, path: Path) -> Signature:
        """Return what a session's graph takes and gives; ValueError if it is not a classifier of square pictures."""
        inputs = session.get_inputs()
        logits = next((output for output in session.get_outputs() if output.name == OUTPUT), None)
        if len(inputs) != 1 or logits is None:
            raise ValueError(f"{path} is not a classifier: it needs one input, and an output named {OUTPUT!r}")
        (given,) = inputs
        shape, result = _fixed(given.shape), _fixed(logits.shape)
        if given.type not in (_PIXELS, _FLOATS) or len(shape) != 4:
            raise ValueError(
                f"{path} is not a classifier of pictures: its input is {given.type} {given.shape}, and must be "
                "float32 (batch, channels, height, width) or uint8 (batch, size, size, channels)"
            )
        if logits.type != _FLOATS or len(result) != 2:
            raise ValueError(
                f"{path} is not a classifier: its logits are {logits.type} {logits.shape}, and must be float32 "
                "(batch, classes)"
            )
        height, width = shape[1:3] if given.type == _PIXELS else shape[2:]
        if None not in (height, width) and height != width:
            raise ValueError(f"{path} takes pictures of {height}×{width} pixels; only square ones are cropped here")
        channels = shape[3] if given.type == _PIXELS else shape[1]
        return cls(given.name, given.type, shape[0], channels, height or width, result[1])

    def split(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Split a batch into those that a graph with a fixed batch takes; ValueError if that does not come out even."""
        step = self.batch or len(batch)
        if len(batch) % step:
            raise ValueError(f"the graph takes {step} pictures at a time, not {len(batch)}")
        return [batch[start : start + step] for start in range(0, len(batch), step)]


def _fixed(shape: Sequence[Any]) -> list[int | None]:
    """Return the lengths of the axes; None for those that the graph leaves open."""
    return [length if isinstance(length, int) else None for length in shape]
