"""labels.txt: the names of the classes, one per line; written to bundles and read from users' files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zoo import Checkpoint, Weight
from zoo.labels import check_labels


def labels_text(labels: Sequence[str]) -> str:
    """Return the contents of labels.txt; ValueError if a label is blank or not a single line, or two are equal."""
    check_labels(labels)
    return "".join(f"{label}\n" for label in labels)


def read_labels(path: Path, num_classes: int) -> tuple[str, ...]:
    """Read the labels in a file: one per class, in the order of the net's outputs.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not UTF-8 text, a line is empty or repeated, or there is not one line per class.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file of labels {path}")
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors on Windows write a byte order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from error
    lines = [line.strip() for line in text.removesuffix("\n").split("\n")] if text else []
    first: dict[str, int] = {}
    for number, label in enumerate(lines, start=1):
        if not label:
            raise ValueError(f"{path}: line {number} is empty; each line names a class")
        if label in first:
            raise ValueError(f"{path}: line {number} names {label!r} again, after line {first[label]}")
        first[label] = number
    if len(lines) != num_classes:
        raise ValueError(f"{path} has {len(lines)} labels, the net has {num_classes} classes; each line names a class")
    return tuple(lines)


def relabel(checkpoint: Checkpoint, record: Weight | None, path: Path) -> Checkpoint:
    """Return a copy of a checkpoint with the labels in a file; see `read_labels`.

    Raises:
        ValueError: the weights are from the registry, which gives their classes other names.
    """
    labels = read_labels(path, checkpoint.spec.num_classes)
    if record is not None and labels != record.labels:
        raise ValueError(f"{path} names the classes of {record.model}:{record.tag} differently from the registry")
    return replace(checkpoint, labels=labels)
