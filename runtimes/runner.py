"""The interface of a runtime that is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Runner:
    """One runtime in one setting.

    Args:
        name: shown in the table.
        version: returns its version; raises ModuleNotFoundError or FileNotFoundError if it is not installed.
        run: maps the path of a graph, a batch of its input and the position of an output to that output.
    """

    name: str
    version: Callable[[], str]
    run: Callable[[Path, NDArray[Any], int], NDArray[np.float32]]
