"""The names of the zoo: which structures have one, and how to find it."""

from __future__ import annotations

import difflib
import fnmatch
from types import MappingProxyType

from zoo.nets.spec import Spec

IMAGENET_WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)
CIFAR_DEPTHS = (10, 16, 22, 28, 34)
CIFAR_WIDTHS = (1.0, 2.0, 4.0, 5.0, 10.0)
CIFAR_DEEP = (52, 100)
"""Of width 1 only: for what the paper says about depth."""

MODELS = MappingProxyType(
    {
        spec.name: spec
        for version in (2, 1)
        for spec in (
            *(Spec(depth=depth, width=width, version=version) for depth in (18, 34) for width in IMAGENET_WIDTHS),
            *(
                Spec(depth=depth, width=width, version=version, family="cifar")
                for depth in CIFAR_DEPTHS
                for width in CIFAR_WIDTHS
            ),
            *(Spec(depth=depth, version=version, family="cifar") for depth in CIFAR_DEEP),
        )
    }
)
"""Name → Spec, read-only. The names are `diracnet{depth}[_v1][_x{width}][_cifar]`."""


def list_models(pattern: str = "*") -> list[str]:
    """Return the names that match a glob such as `"diracnet18*"`, version 2 before version 1."""
    return [name for name in MODELS if fnmatch.fnmatchcase(name, pattern)]


def get_spec(name: str) -> Spec:
    """Return the structure behind a name; ValueError with the nearest names where there is none."""
    try:
        return MODELS[name]
    except KeyError:
        near = difflib.get_close_matches(name, MODELS, n=3, cutoff=0.5)
        hint = f"; nearest are {', '.join(near)}" if near else ""
        raise ValueError(
            f"no model is named {name!r}{hint}; zoo.list_models() gives all names and zoo.diracnet(depth=…, width=…) "
            "builds what has none"
        ) from None
