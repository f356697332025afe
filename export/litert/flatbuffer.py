"""Writes trees of tables as flatbuffers. Equal trees give equal bytes.

A table is written as a list of its fields by their ids in the schema, which is all that a reader sees of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 16
"""Tensors start at multiples of this many bytes, so that a runtime can use a file as it lies in memory."""


@dataclass(frozen=True)
class Scalar:
    """A number of a flatbuffer's type, such as "Int8" or "Uint32"."""

    kind: str
    value: int | float


Field = Any
"""A Scalar, a table, a string, bytes, an array of numbers, or a sequence of tables or of strings."""
Table = Mapping[int, Field]
"""The fields of a table by their ids; one that is None is left out."""


def to_bytes(root: Table, identifier: bytes, size: int = 1024) -> bytes:
    """Return the flatbuffer of a tree.

    Args:
        root: the outermost table.
        identifier: the four characters that say which schema it follows.
        size: about how many bytes there will be.

    Example:
        >>> len(to_bytes({0: Scalar("Uint32", 3)}, b"TFL3"))
        20
    """
    builder = flatbuffers.Builder(size)
    builder.Finish(_write(builder, root), identifier)
    return bytes(builder.Output())


def _write(builder: flatbuffers.Builder, value: Field) -> int:
    """Write a value and everything in it; return its offset."""
    match value:
        case str():
            return int(builder.CreateString(value))
        case bytes():
            builder.Prep(ALIGNMENT, len(value))
            return int(builder.CreateByteVector(value))
        case np.ndarray():
            return int(builder.CreateNumpyVector(value))
        case Mapping():
            return _table(builder, value)
        case _:
            return _vector(builder, value)


def _table(builder: flatbuffers.Builder, table: Table) -> int:
    fields = {place: field for place, field in table.items() if field is not None}
    # What a table refers to has to be there before the table begins.
    offsets = {place: _write(builder, field) for place, field in fields.items() if not isinstance(field, Scalar)}
    builder.StartObject(max(fields, default=-1) + 1)
    for place, field in fields.items():
        if isinstance(field, Scalar):
            getattr(builder, f"Prepend{field.kind}Slot")(place, field.value, None)
        else:
            builder.PrependUOffsetTRelativeSlot(place, offsets[place], 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, parts: Sequence[Field]) -> int:
    offsets = [_write(builder, part) for part in parts]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def int32s(*values: int) -> NDArray[np.int32]:
    """Return a vector of int32."""
    return np.array(values, np.int32)
