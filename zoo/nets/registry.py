"""The names of the zoo: which structures have one, and how to find it."""

from __future__ import annotations

import difflib
import fnmatch
import re
from types import MappingProxyType

from zoo.nets.spec import Spec

IMAGENET_WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)
CIFAR_DEPTHS = (10, 16, 22, 28, 34)
CIFAR_WIDTHS = (1.0, 2.0, 4.0, 5.0, 10.0)
CIFAR_DEEP = (52, 100)
"""Registered at width 1 only, for what the paper says about depth."""

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
    """Return the names that match a glob such as `"diracnet18*"`, version 2 before version 1.

    Example:
        >>> import zoo
        >>> zoo.list_models("diracnet34_x2*")
        ['diracnet34_x2', 'diracnet34_x2_cifar']
    """
    if not isinstance(pattern, str):
        raise TypeError(f"pattern={pattern!r}: expected a glob, such as 'diracnet18*'")
    return [name for name in MODELS if fnmatch.fnmatchcase(name, pattern)]


def get_spec(name: str) -> Spec:
    """Return the structure behind a name; ValueError with the nearest names if there is none.

    Example:
        >>> import zoo
        >>> zoo.get_spec("diracnet28_cifar").depth
        28
    """
    try:
        return MODELS[name]
    except KeyError:
        near = _nearest(name)
        hint = f"; nearest are {', '.join(near)}" if near else ""
        raise ValueError(
            f"no model is named {name!r}{hint}; zoo.list_models() gives all names and zoo.diracnet(depth=…, width=…) "
            "builds what has none"
        ) from None


def _nearest(name: str) -> list[str]:
    """Return up to three names that may have been meant.

    First the names with all parts of the given one and the fewest others, because people tend to leave out the family
    (`diracnet16` for `diracnet16_cifar`); then those that begin with it. If there are none, names that are spelt like
    it, preferably of the same depth.
    """
    plain = re.sub(r"(?<=[a-z])_(?=\d)", "", re.sub(r"[-. ]", "_", name.lower()))  # diracnet-16: diracnet16
    parts = set(plain.split("_"))
    short = sorted(MODELS, key=lambda other: other.count("_"))
    complete = [other for other in short if parts <= set(other.split("_"))]
    longer = [other for other in short if plain and other.startswith(plain)]
    near = list(dict.fromkeys([*complete, *longer]))[:3]
    same = [other for other in short if other.split("_")[0] == plain.split("_")[0]]
    return near or difflib.get_close_matches(plain, same or MODELS, n=3, cutoff=0.5)
