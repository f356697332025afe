"""A bundle opened for checking: each file is read only once, however many checks need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from export.folding.folded import FoldedNet
from export.formats.table import FORMATS
from export.int8.record import Quantization
from export.layout import CONFIG, FEATURES, FOLDED, GOLDEN, INPUT, OUTPUT, PICTURES, QUANTIZATION, REPORT, TRAINING_FORM
from zoo import Checkpoint, Preprocessing
from zoo.description import BUNDLE
from zoo.description import REPORT as REPORT_RULE
from zoo.files import read_json
from zoo.schema import reading
from zoo.weights.repository import parse_config


@dataclass(frozen=True)
class OpenBundle:
    """A bundle's folder and its contents; each file is read on first access.

    Raises:
        FileNotFoundError, ValueError: on access, if the file in question is missing or damaged.
    """

    folder: Path

    @cached_property
    def folded(self) -> FoldedNet:
        """The folded net."""
        folded = Checkpoint.load(self.folder / FOLDED)
        if folded.form != "folded":
            raise ValueError(f"{self.folder / FOLDED} holds the {folded.form} form; a bundle has the folded one there")
        if folded.preprocessing is None:
            raise ValueError(
                f"{self.folder / FOLDED} does not say how large its pictures are; its metadata lack 'preprocessing'"
            )
        return FoldedNet.of(folded)

    @property
    def name(self) -> str:
        """The name of the net's structure."""
        return self.folded.checkpoint.spec.name

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared for the net."""
        return self.folded.checkpoint.known_preprocessing()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the inner outputs that its graphs give in addition to the logits."""
        return tuple(self.config[FEATURES])

    @cached_property
    def source(self) -> Checkpoint | None:
        """The training form, if the bundle has one."""
        return Checkpoint.load(self.folder / TRAINING_FORM) if (self.folder / TRAINING_FORM).is_file() else None

    @cached_property
    def config(self) -> dict[str, Any]:
        """The contents of config.json."""
        config = read_json(self.folder / CONFIG)
        with reading(str(self.folder / CONFIG)):
            BUNDLE.check(config)
            parse_config(config)
        return config

    @cached_property
    def report(self) -> dict[str, Any]:
        """The contents of report.json."""
        report = read_json(self.folder / REPORT)
        with reading(str(self.folder / REPORT)):
            REPORT_RULE.check(report)
        return report

    @cached_property
    def golden(self) -> Mapping[str, Tensor]:
        """The golden inputs and outputs."""
        try:
            tensors = load_file(self.folder / GOLDEN)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{self.folder / GOLDEN} is missing or damaged: {error}") from error
        lacking = {INPUT, PICTURES, OUTPUT, *self.features} - tensors.keys()
        if lacking:
            raise ValueError(f"{self.folder / GOLDEN} lacks {', '.join(sorted(lacking))}")
        return tensors

    @cached_property
    def quantization(self) -> Quantization:
        """The record of the net's quantization."""
        return Quantization.load(self.folder / QUANTIZATION)

    @property
    def formats(self) -> tuple[str, ...]:
        """Names of the formats for which the bundle has files."""
        return tuple(name for name, row in FORMATS.items() if row.present(self.folder, self.name))
