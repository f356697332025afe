"""Names of classes: what is allowed, how two lists of them differ, and the names of ImageNet-1k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

_SHOWN = 5


def check_labels(labels: Sequence[str], of: str = "the labels") -> None:
    """Raise ValueError unless every class has a name of its own that fits on a line.

    Labels say which class is meant, in bundles, in `id2label` and in answers; two equal ones would merge two classes.
    Spaces around a name are ignored, because they are lost in `labels.txt`.

    Example:
        >>> check_labels(("cat", "dog"))

    Args:
        labels: the name of each class, in the order of the net's outputs.
        of: what the labels belong to, for the message.
    """
    first: dict[str, int] = {}
    for index, label in enumerate(labels):
        name = label.strip()
        if not name or len(label.splitlines()) != 1:
            raise ValueError(
                f"{of}: the label {label!r} of class {index} is empty or has several lines; name the class"
            )
        if name in first:
            raise ValueError(
                f"{of}: the classes {first[name]} and {index} are both named {label!r}; give each a name of its own"
            )
        first[name] = index


def difference(left: Sequence[str], right: Sequence[str], left_name: str, right_name: str) -> str:
    """Return in a phrase how two lists of labels differ, without repeating what they share.

    Example:
        >>> difference(["cat", "dog"], ["cat", "fox"], "train", "test")
        "only train has 'dog', only test has 'fox'"
    """
    parts = []
    for own, other, name in ((left, right, left_name), (right, left, right_name)):
        if missing := [label for label in own if label not in set(other)]:
            shown = ", ".join(map(repr, missing[:_SHOWN]))
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            parts.append(f"only {name} has {shown}{more}")
    if not parts:
        place = next((i for i, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None)
        if place is None:
            return f"{left_name} has {len(left)} labels, {right_name} has {len(right)}"
        parts.append(
            f"the order differs: class {place} is {left[place]!r} in {left_name} and {right[place]!r} in {right_name}"
        )
    return ", ".join(parts)


@cache
def imagenet_classes() -> Mapping[str, str]:
    """Return the label of each of ImageNet-1k's classes by WordNet id (the name of its folder), in order of the ids.

    They are torchvision's categories, which distinguish what WordNet names alike: the bird called crane from
    the machine, and two kinds of maillot.
    """
    lines = Path(__file__).with_name("imagenet1k.txt").read_text(encoding="utf-8").splitlines()
    return MappingProxyType(dict(line.split(" ", 1) for line in lines))
