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
from export.layout import FEATURES
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

    @property
    @abstractmethod
    def files(self) -> tuple[str, ...]:
        """Paths of its files in a bundle, in the order in which they are written."""

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

    def present(self, folder: Path) -> bool:
        """Whether a bundle has any of its files."""
        return any((folder / name).is_file() for name in self.files)
