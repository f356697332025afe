"""How pictures become a net's input. Belongs to the weights, because a net is only as accurate as its preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from pixels import INTERPOLATIONS, crop
from zoo.schema import Fields, number, numbers, one_of, whole

KINDS = {1: "grey", 3: "RGB", 4: "RGBA"}
"""Channels → what pictures of so many are called."""
TEMPERATURES = (0.05, 20.0)
"""Range of what logits may be divided by before they become probabilities."""

if TYPE_CHECKING:  # programs without PyTorch use the constants below, too
    from torch import Tensor

LARGEST = 4096
"""The longest side of a net's input, in pixels: a batch of 16 pictures of it takes 3.2 GB."""
RULE = Fields(
    {
        "resize": whole(1, LARGEST),
        "size": whole(1, LARGEST),
        "interpolation": one_of(*INTERPOLATIONS),
        "mean": numbers(tuple(KINDS), -1e3, 1e3),
        "std": numbers(tuple(KINDS), 1e-6, 1e6),
    }
)
"""What the fields may hold."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Resize the shorter side, crop the centre, scale to [0, 1], normalize. Callable on a PIL picture.

    Args:
        resize: length of the shorter side after resizing, in pixels; the resize is PIL's, which filters as it shrinks.
        size: side of the square centre crop, in pixels; where it exceeds the picture, the border is black.
        interpolation: "bilinear" or "bicubic".
        mean: per channel, in units of the [0, 1] range. One channel means grey pictures, three mean RGB ones, and four
            RGB ones with alpha.
        std: per channel, in the same units; above zero.

    Raises:
        ValueError: a value is out of range.
    """

    resize: int
    size: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        RULE.check({field.name: getattr(self, field.name) for field in fields(self)})
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean={self.mean}, std={self.std}: must be equally many, one for each channel")
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))

    def with_channels(self, channels: int) -> Preprocessing:
        """Return the same for pictures of another number of channels.

        Grey gets the average mean and deviation of RGB, RGB those of grey, and alpha is mapped from [0, 1] to [-1, 1].

        Raises:
            ValueError: nothing is known about so many channels.
        """
        if channels not in KINDS:
            known = ", ".join(f"{count} ({kind})" for count, kind in KINDS.items())
            raise ValueError(f"channels={channels}: pictures become one of {known}")
        if channels == len(self.mean):
            return self

        def adapted(values: tuple[float, ...]) -> tuple[float, ...]:
            colours = values[:3]
            if channels == 1:
                return (sum(colours) / len(colours),)
            return (*(colours * 3)[:3], *([0.5] if channels == 4 else []))

        return replace(self, mean=adapted(self.mean), std=adapted(self.std))

    def crop(self, picture: Image.Image) -> Tensor:
        """Return the resized centre of a PIL picture of any mode as uint8, (channels, size, size); see `pixels`."""
        import torch

        pixels = crop(
            picture,
            resize=self.resize,
            size=self.size,
            interpolation=self.interpolation,
            channels=len(self.mean),
        )
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def normalize(self, pictures: Tensor) -> Tensor:
        """Map uint8 pictures (…, channels, height, width) to the net's float32 input of the same shape."""
        import torch

        mean, std = (torch.tensor(v, device=pictures.device).reshape(-1, 1, 1) for v in (self.mean, self.std))
        return (pictures.to(torch.float32) / 255 - mean) / std

    def __call__(self, picture: Image.Image) -> Tensor:
        """Map a PIL picture to the net's input, (channels, size, size), float32, without the batch dimension."""
        return self.normalize(self.crop(picture))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields in a form that JSON can hold."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Return the preprocessing with the fields that `to_dict` returned; ValueError if they are others."""
        RULE.check(values)
        return cls(**values)


def check_temperature(temperature: float) -> None:
    """Raise ValueError unless logits may be divided by this number before they become probabilities.

    Example:
        >>> check_temperature(1.13)
    """
    number(*TEMPERATURES).check(temperature, "temperature")


CIFAR = Preprocessing(
    resize=32,
    size=32,
    interpolation="bilinear",
    mean=tuple(v / 255 for v in (125.3, 123.0, 113.9)),
    std=tuple(v / 255 for v in (63.0, 62.1, 66.7)),
)
"""Mean and deviation of CIFAR-10's training pictures, as in upstream's train.py."""

IMAGENET = Preprocessing(
    resize=256, size=224, interpolation="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)
"""The usual ImageNet evaluation: shorter side 256, centre 224."""

FASHION = Preprocessing(resize=28, size=32, interpolation="bilinear", mean=(0.286,), std=(0.353,))
"""Fashion-MNIST in a black border; mean and deviation of its training pictures without it."""

DIGITS = Preprocessing(resize=16, size=16, interpolation="bilinear", mean=(0.305,), std=(0.375,))
"""For scikit-learn's digits, rescaled to 0…255."""
