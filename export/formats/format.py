"""What a format is: one class answers how its files are made, proven, run and described."""

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
from export.graphs.emit import emit
from export.int8.record import Quantization
from export.layout import FEATURES
from export.proof.check import Check
from zoo import Preprocessing

Run = Callable[[Tensor], Tensor]
"""Maps pictures, uint8 (batch, channels, size, size), to logits (batch, classes)."""


@dataclass(frozen=True, eq=False)
class Source:
    """What the files of every format are made from.

    Args:
        folded: the net.
        digest: the sha256 of its file.
        description: what the bundle says about it; see `export.bundle.description`.
        quantization: the record that int8 formats need, or None where the bundle has none.
    """

    folded: FoldedNet
    digest: str
    description: Mapping[str, Any]
    quantization: Quantization | None = None

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures become the net's input."""
        return self.folded.checkpoint.known_preprocessing()

    @cached_property
    def graph(self) -> onnx.ModelProto:
        """The float32 graph, from which those of other precisions are made."""
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
    """What a format may cost: points of top-1 against float32, and percent of the pictures that it sees differently."""

    top1: float
    disagreement: float


class Format(ABC):
    """A format of the folded net. A new one is a subclass and a row of `export.formats.table`."""

    name: str
    """What the command line calls it."""
    limits: Limits | None = None
    """What it may cost in accuracy; None where its outputs are float32's but for rounding."""
    needs_quantization: bool = False
    """Whether it follows from the record of the net's quantization."""

    @property
    @abstractmethod
    def files(self) -> tuple[str, ...]:
        """Paths of its files in a bundle, in the order in which they are written."""

    @abstractmethod
    def note(self, description: Mapping[str, Any], repository: str) -> FormatNote:
        """Return what a card says about its files, and how to use them from a repository.

        Args:
            description: what the bundle says about the net.
            repository: `ORG/NAME`, or what stands for it.
        """

    @abstractmethod
    def derive(self, source: Source) -> Iterator[tuple[str, bytes]]:
        """Yield path and contents of each file; equal sources give equal bytes.

        Raises:
            ValueError: the net cannot be expressed, or the quantization is missing.
        """

    @abstractmethod
    def check(self, bundle: Bundle) -> Iterator[Check]:
        """Yield the checks that its files compute what the folded net computes."""

    @abstractmethod
    def runs(self, folder: Path, preprocessing: Preprocessing) -> Iterator[tuple[str, Run]]:
        """Yield path and a way to run it for each file that computes logits."""

    def present(self, folder: Path) -> bool:
        """Whether a bundle has any of its files."""
        return any((folder / name).is_file() for name in self.files)
