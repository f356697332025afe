"""Safetensors files that describe themselves: named tensors, and one JSON object about them in the metadata.

Knows no tensor library: callers pass in the one that they use, so that numpy alone is enough to read such a file.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from zoo.files import replace_file
from zoo.layout import KEY
from zoo.schema import parse_object, reading


def save_described(
    path: Path, tensors: Mapping[str, Any], description: Mapping[str, Any], save_file: Callable[..., None]
) -> None:
    """Write a file; equal tensors and descriptions give equal bytes.

    Args:
        path: the file, which is replaced as a whole or not at all.
        tensors: the tensors by name; contiguous, and on the CPU.
        description: anything that JSON can hold.
        save_file: the `save_file` of `safetensors.numpy` or `safetensors.torch`, whichever the tensors belong to.

    Raises:
        OSError: the disk is full, or the file cannot be written for another reason.

    Example:
        >>> from safetensors.numpy import save_file
        >>> save_described(Path("kernel.safetensors"), {"weight": np.eye(3)}, {"unit": "volts"}, save_file)
    """
    with replace_file(path) as temporary:
        try:
            save_file(dict(tensors), temporary, metadata={KEY: json.dumps(dict(description), sort_keys=True)})
        except SafetensorError as error:  # it has an error of its own for a full disk, too
            found = re.search(r"([^:]+) \(os error (\d+)\)", str(error))  # older versions word it otherwise
            number, what = (int(found[2]), found[1].strip()) if found else (errno.EIO, str(error))
            raise OSError(number, what, str(path)) from error


def load_described(path: Path, framework: Literal["np", "pt"]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a file's tensors by name, and its description, or None if it has none.

    Args:
        path: the file.
        framework: what the tensors become: numpy arrays ("np") or PyTorch tensors ("pt").

    Raises:
        FileNotFoundError: there is no such file.
        SafetensorError: it is not a safetensors file, or is damaged.
        ValueError: its description is not a JSON object.

    Example:
        >>> from safetensors.numpy import save_file
        >>> save_described(Path("kernel.safetensors"), {"weight": np.eye(3)}, {"unit": "volts"}, save_file)
        >>> load_described(Path("kernel.safetensors"), "np")[1]
        {'unit': 'volts'}
    """
    with safe_open(path, framework=framework) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        text = (file.metadata() or {}).get(KEY)
    if text is None:
        return tensors, None
    with reading(f"the description inside {path}"):
        return tensors, parse_object(text)
