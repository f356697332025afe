"""The interface of a format: one class defines how its files are made, checked, run and described."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import onnx
from torch import Tensor

from export.cards.note import FormatNote
from export.folding.folded import FoldedNet
from export.formats.names import QUANTIZED
from export.graphs.emit import emit
from export.int8.record import Quantization
from export.integer.net import IntegerNet, lower
from export.layout import FEATURES, FOLDED, QUANTIZATION
from export.proof.check import Check
from zoo import Preprocessing

Run = Callable[[Tensor], Tensor]
"""Maps pictures, uint8 (batch, channels, size, size), to logits (batch, classes)."""


@dataclass(frozen=True, eq=False)
class Source:
    """The source from which the files of every format are made.

    Args:
        folded: the net.
        digest: the sha256 of the net's file.
        description: the bundle's description of the net; see `export.bundle.description`.
        quantization: the record that int8 formats need, or None if the bundle has none.
    """

    folded: FoldedNet
    digest: str
    description: Mapping[str, Any]
    quantization: Quantization | None = None

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared for the net."""
        return self.folded.checkpoint.known_preprocessing()

    def about(self, form: str, input: Mapping[str, Any]) -> dict[str, Any]:
        """Return the metadata that the files of all formats have: the net's description, and facts about the file.

        Args:
            form: the format's name.
            input: what the file takes, and in which layout.
        """
        source = {"file": FOLDED, "sha256": self.digest}
        return {**self.description, "format": form, "source": source, "input": dict(input)}

    @cached_property
    def integer_net(self) -> IntegerNet:
        """The int8 net of devices, from which their files are made.

        Raises:
            ValueError: the quantization record is missing, or the net cannot be computed in 32-bit integers.
        """
        return lower(self.folded.net, self.known_quantization(), self.preprocessing)

    def known_quantization(self) -> Quantization:
        """Return the quantization record; ValueError if the bundle has none."""
        if self.quantization is None:
            raise ValueError(f"the int8 form follows from {FOLDED} and {QUANTIZATION}, and the second is missing")
        return self.quantization

    @cached_property
    def graph(self) -> onnx.ModelProto:
        """The float32 graph, from which the graphs of other precisions are made."""
        return emit(self.folded.net, features=self.description[FEATURES])


class Bundle(Protocol):
    """The parts of an open bundle that a format is checked against."""

    @property
    def folder(self) -> Path: ...
    @property
    def folded(self) -> FoldedNet: ...
    @property
    def features(self) -> Sequence[str]: ...
    @property
    def golden(self) -> Mapping[str, Tensor]: ...
    @property
    def quantization(self) -> Quantization: ...


@dataclass(frozen=True)
class Limits:
    """How much accuracy a format may lose against float32.

    Args:
        top1: the largest drop of top-1, in percentage points.
        disagreement: the largest percentage of pictures that may be assigned another class.
    """

    top1: float
    disagreement: float


GOLDEN_INT8 = 0.8
"""Limit on what int8 differs from the golden outputs: loose, because the golden pictures are unlike those that it was
calibrated on, but clearly below 1, which is the difference of a net that gives only zeros."""


class Format(ABC):
    """A format of the folded net. To add one, write a subclass and add it to the table in `export.formats.table`."""

    name: str
    """Its name on the command line."""
    limits: Limits | None = None
    """How much accuracy it may lose; None if its outputs equal float32's except for rounding."""

    @property
    def needs_quantization(self) -> bool:
        """Whether its files are made from the net's quantization record."""
        return self.name in QUANTIZED

    @abstractmethod
    def files(self, name: str) -> tuple[str, ...]:
        """Return the paths of its files in the bundle of a net of this name, in the order in which they are written."""

    @abstractmethod
    def note(self, description: Mapping[str, Any], repository: str) -> FormatNote:
        """Return what a card says about its files and about using them from a repository.

        Args:
            description: the bundle's description of the net.
            repository: `ORG/NAME`, or a placeholder for it.
        """

    @abstractmethod
    def derive(self, source: Source) -> Iterator[tuple[str, bytes]]:
        """Yield the path and contents of each file; equal sources give equal bytes.

        Raises:
            ValueError: the net cannot be expressed in this format, or its quantization record is missing.
        """

    @abstractmethod
    def check(self, bundle: Bundle) -> Iterator[Check]:
        """Yield checks that its files compute what the folded net computes."""

    @abstractmethod
    def runs(self, folder: Path, preprocessing: Preprocessing) -> Iterator[tuple[str, Run]]:
        """Yield, for each file that computes logits, its path and a function that runs it."""

    def present(self, folder: Path, name: str) -> bool:
        """Whether the bundle of a net with this name has any of its files."""
        return any((folder / path).is_file() for path in self.files(name))
