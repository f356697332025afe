"""The interface of a runtime that is compared, of those that read ONNX graphs and of those that take other files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PART = 250
"""How many pictures a runtime gets at once, so that the memory of all of them stays small."""


@dataclass(frozen=True)
class Runtime:
    """A runtime in one setting.

    Args:
        name: shown in the table.
        package: what installs it, as `pip install` and its like are told.
        version: returns its version; raises ModuleNotFoundError or FileNotFoundError if it is not installed.
    """

    name: str
    package: str
    version: Callable[[], str]


@dataclass(frozen=True)
class Runner(Runtime):
    """One that reads ONNX graphs.

    Args:
        run: maps the path of a graph, a batch of its input and the position of an output to that output.
        halves: how many pictures it gets with a float16 graph, if a picture takes it seconds.
    """

    run: Callable[[Path, NDArray[Any], int], NDArray[np.float32]]
    halves: int | None = None


@dataclass(frozen=True)
class Reader(Runtime):
    """One that takes another file of the bundle, or that a file of it is converted for.

    Args:
        file: which one, relative to the bundle; a folder's ends in "/".
        run: maps the bundle's folder and pictures, uint8 (batch, size, size, channels), to logits (batch, classes);
            or to words on the model that it made, if that cannot run on this machine.
        integers: whether it computes the integers that `export.integer` defines, or should.
    """

    file: str
    run: Callable[[Path, NDArray[np.uint8]], NDArray[np.float32] | str]
    integers: bool = False


def by_parts(call: Callable[[NDArray[Any]], NDArray[Any]], batch: NDArray[Any], size: int = PART) -> NDArray[Any]:
    """Return what a call gives for a batch, of which it sees `size` pictures at once.

    Example:
        >>> by_parts(lambda part: 2 * part, np.arange(5), 2)
        array([0, 2, 4, 6, 8])
    """
    return np.concatenate([np.array(call(batch[start : start + size])) for start in range(0, len(batch), size)])
