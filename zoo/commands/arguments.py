"""Checks of arguments that need no PyTorch, so that a mistake is answered at once."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.files import check_new
from zoo.layout import KEY
from zoo.nets.registry import MODELS, get_spec
from zoo.weights.record import get_weight
from zoo.weights.reference import File, Named, Reference, Tagged, parse_reference

_LARGEST = 1 << 26
"""Bytes that the header of a safetensors file may have."""


def check_model(model: str, *, graphs: bool = False) -> Reference:
    """Return what MODEL means.

    Args:
        model: the text.
        graphs: whether an ONNX graph will do.

    Raises:
        ValueError: no net or weights have this name, or it is an ONNX graph.
        FileNotFoundError: it reads like a path, and nothing is there.

    Example:
        >>> check_model("diracnet16_cifar:cifar10")
        Tagged(name='diracnet16_cifar', tag='cifar10')
    """
    reference = parse_reference(model)
    match reference:
        case Named(name) if Path(name).is_dir() and name not in MODELS:
            raise ValueError(
                f"{model} is a folder that holds neither a bundle nor a run nor what save_pretrained writes"
            )
        case Named(name):
            get_spec(name)
        case Tagged(name, tag):
            get_weight(name, tag)
        case File(path) if path.suffix == ".onnx" and not graphs:
            raise ValueError(f"{model} is an ONNX graph, which only `diracnet predict` takes; name its bundle's folder")
    return reference


def check_out(out: Path, may_replace: Callable[[Path], None], *, force: bool) -> None:
    """Raise ValueError if what --out names exists already, unless --force is given and it may be replaced."""
    if not force and os.path.lexists(out):
        raise ValueError(f"{out} exists already; remove it, name another, or replace it with --force")
    check_new(out, may_replace)
    _check_place("--out", out)


def own_file(path: Path) -> None:
    """Raise ValueError unless a file is a safetensors file that this package wrote."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header: Any = json.loads(file.read(length)) if length <= _LARGEST else None
        ours = KEY in header["__metadata__"]
    except (OSError, ValueError, TypeError, KeyError):
        ours = False
    if not ours:
        raise ValueError(f"{path} was not written by this package, so --force does not replace it; name another file")


def check_suffix(option: str, path: Path | None, suffixes: tuple[str, ...]) -> None:
    """Raise ValueError if a file to write does not end in one of the suffixes, or a folder has its name."""
    if path is None:
        return
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{option} {path}: the file's name must end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise ValueError(f"{option} {path}: that is a folder; name a file")
    _check_place(option, path)


def _check_place(option: str, path: Path) -> None:
    """Raise ValueError unless something can be written beside a path, whose folders need not be there yet."""
    place = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise ValueError(
            f"{option} {path}: nothing can be written in {place} ({error.strerror}); name another place"
        ) from error
