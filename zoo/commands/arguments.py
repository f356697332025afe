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
