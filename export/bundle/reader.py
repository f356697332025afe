"""A bundle opened for checking: each of its files is read once, however many checks need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from export.bundle.description import FEATURES
from export.int8.record import Quantization
from export.layout import CONFIG, FOLDED, FORMS, GOLDEN, INPUT, OUTPUT, PICTURES, QUANTIZATION, TRAINING_FORM
from zoo import Checkpoint, Preprocessing
from zoo.files import read_json


@dataclass(frozen=True)
class OpenBundle:
    """A bundle's folder and what lies in it; files are read when they are first asked for.

    Raises, when it is asked for what a file should hold:
        FileNotFoundError, ValueError: the file is missing or damaged.
    """

    folder: Path

    @cached_property
    def folded(self) -> Checkpoint:
        """The folded net."""
        folded = Checkpoint.load(self.folder / FOLDED)
        if folded.preprocessing is None:
            raise ValueError(
                f"{self.folder / FOLDED} does not say how large its pictures are; its metadata lack 'preprocessing'"
            )
        return folded

    @cached_property
    def net(self) -> nn.Sequential:
        """The folded net in PyTorch."""
        return cast(nn.Sequential, self.folded.model())

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures become the net's input."""
        return cast(Preprocessing, self.folded.preprocessing)

    @cached_property
    def source(self) -> Checkpoint | None:
        """The training form, if the bundle has one."""
        return Checkpoint.load(self.folder / TRAINING_FORM) if (self.folder / TRAINING_FORM).is_file() else None

    @cached_property
    def config(self) -> dict[str, Any]:
        """What config.json says."""
        return read_json(self.folder / CONFIG)

    @cached_property
    def golden(self) -> Mapping[str, Tensor]:
        """The golden inputs and outputs."""
        try:
            tensors = load_file(self.folder / GOLDEN)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{self.folder / GOLDEN} is missing or damaged: {error}") from error
        lacking = {INPUT, PICTURES, OUTPUT, *self.config[FEATURES]} - tensors.keys()
        if lacking:
            raise ValueError(f"{self.folder / GOLDEN} lacks {', '.join(sorted(lacking))}")
        return tensors

    @cached_property
    def quantization(self) -> Quantization:
        """The record of the net's quantization."""
        return Quantization.load(self.folder / QUANTIZATION)

    @property
    def forms(self) -> tuple[str, ...]:
        """Names of the forms that there are graphs in."""
        return tuple(
            name
            for name, form in FORMS.items()
            if (self.folder / form.path).is_file() or (self.folder / form.pictures).is_file()
        )
