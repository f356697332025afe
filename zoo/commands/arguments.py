"""Checks of arguments that need no PyTorch, so that a mistake is answered at once."""

from __future__ import annotations

from pathlib import Path

from zoo.nets.registry import get_spec
from zoo.weights.record import get_weight
from zoo.weights.reference import Named, Reference, Tagged, parse_reference


def check_model(model: str) -> Reference:
    """Return what MODEL means.

    Raises:
        ValueError: no net or weights have this name.
        FileNotFoundError: it reads like a path, and nothing is there.

    Example:
        >>> check_model("diracnet16_cifar:cifar10")
        Tagged(name='diracnet16_cifar', tag='cifar10')
    """
    reference = parse_reference(model)
    match reference:
        case Named(name):
            get_spec(name)
        case Tagged(name, tag):
            get_weight(name, tag)
    return reference


def check_new(out: Path) -> None:
    """Raise ValueError if a file or folder to write exists already."""
    if out.exists():
        raise ValueError(f"{out} exists already; remove it, or name another file")


def check_suffix(option: str, path: Path | None, suffixes: tuple[str, ...]) -> None:
    """Raise ValueError if a file to write does not end in one of the suffixes, or a folder has its name."""
    if path is None:
        return
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{option} {path}: the file's name must end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise ValueError(f"{option} {path}: that is a folder; name a file")
