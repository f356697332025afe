"""Names of classes: what is allowed, how two lists of them differ, and the names of ImageNet-1k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zoo.schema import DescriptionError, Value, is_text

LONGEST = 500
"""Most characters of a label."""
_SHOWN = 5
_LIST = Value("a list of texts", lambda value: isinstance(value, (list, tuple)))
_LABEL = Value(f"a text of 1 to {LONGEST} characters", lambda value: is_text(value, LONGEST))
_BY_INDEX = Value('an object with a label for each of "0", "1", …', lambda value: isinstance(value, Mapping))


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
    _LIST.check(labels, of)
    first: dict[str, int] = {}
    for index, label in enumerate(labels):
        _LABEL.check(label, f"{of}[{index}]")
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


def by_index(id2label: Any) -> tuple[str, ...]:
    """Return the labels in an object from "0", "1", … to labels, as config.json and graphs have it; it may be empty.

    Raises:
        DescriptionError: it is no object, a class has no label, or `check_labels` refuses them.

    Example:
        >>> by_index({"0": "cat", "1": "dog"})
        ('cat', 'dog')
    """
    _BY_INDEX.check(id2label, "id2label")
    keys = [str(index) for index in range(len(id2label))]
    if wrong := sorted(id2label.keys() - set(keys), key=str):
        raise DescriptionError(
            f"id2label has {len(keys)} labels and the key {wrong[0]!r}: its keys must be the indices of the classes, "
            f'"0" to "{len(keys) - 1}"'
        )
    labels = tuple(id2label[key] for key in keys)
    check_labels(labels, "id2label")
    return labels


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
