"""Writes trees of tables as flatbuffers. Equal trees give equal bytes, on any machine and with any version of anything.

A table is written as a list of its fields by their ids in the schema, which is all that a reader sees of it. Google's
package flatbuffers could write the same, but its versions share vtables differently, and a bundle made with one would
not be what another makes again.

Source: https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 16
"""Tensors start at multiples of this many bytes, so that a runtime can use a file as it lies in memory."""
_FORMATS = {"Bool": "<?", "Int8": "<b", "Uint8": "<B", "Int32": "<i", "Uint32": "<I"}
_OFFSET = 4


@dataclass(frozen=True)
class Scalar:
    """A number of a flatbuffer's type: "Bool", "Int8", "Uint8", "Int32" or "Uint32"."""

    kind: str
    value: int


Field = Any
"""A Scalar, a table, a string, bytes, an array of numbers, or a sequence of tables or of strings."""
Table = Mapping[int, Field]
"""The fields of a table by their ids; one that is None is left out."""


def to_bytes(root: Table, identifier: bytes) -> bytes:
    """Return the flatbuffer of a tree.

    Args:
        root: the outermost table.
        identifier: the four characters that say which schema it follows.

    Example:
        >>> len(to_bytes({0: Scalar("Uint32", 3)}, b"TFL3"))
        24
    """
    writer = _Writer()
    place = writer.write(root)
    writer.align(writer.alignment, _OFFSET + len(identifier))
    writer.put(identifier)
    writer.refer(place)
    return writer.content()


class _Writer:
    """Writes from the end to the beginning, because what a table refers to must lie behind it.

    A place is counted in bytes from the end.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._vtables: dict[bytes, int] = {}
        self.alignment = 1
        """The largest that anything asked for."""

    def content(self) -> bytes:
        """Return all that was written."""
        return b"".join(reversed(self._parts))

    def put(self, part: bytes) -> int:
        """Write bytes before all others, and return their place."""
        self._parts.append(part)
        self._size += len(part)
        return self._size

    def align(self, size: int, following: int) -> None:
        """Pad, so that a multiple of `size` bytes lies behind the place that comes after `following` more bytes."""
        self.alignment = max(self.alignment, size)
        self.put(bytes(-(self._size + following) % size))

    def refer(self, place: int) -> int:
        """Write how far away a place is, and return where that was written."""
        self.align(_OFFSET, 0)
        return self.put(struct.pack("<I", self._size + _OFFSET - place))

    def write(self, value: Field) -> int:
        """Write a value and everything in it, and return its place."""
        match value:
            case str():
                text = value.encode()
                return self._array(text + b"\0", len(text), 1)
            case bytes():
                return self._array(value, len(value), ALIGNMENT)
            case np.ndarray():
                little = value.astype(value.dtype.newbyteorder("<"), copy=False)
                return self._array(little.tobytes(), value.size, value.itemsize)
            case Mapping():
                return self._table(value)
            case _:
                places = [self.write(part) for part in value]
                self.align(_OFFSET, _OFFSET * len(places))
                for place in reversed(places):
                    self.refer(place)
                return self.put(struct.pack("<I", len(places)))

    def _array(self, content: bytes, count: int, alignment: int) -> int:
        self.align(max(_OFFSET, alignment), len(content))
        self.put(content)
        return self.put(struct.pack("<I", count))

    def _table(self, table: Table) -> int:
        fields = {number: field for number, field in table.items() if field is not None}
        # What a table refers to has to be there before the table begins.
        behind = {number: self.write(field) for number, field in fields.items() if not isinstance(field, Scalar)}
        end = self._size
        places = {number: self._field(field, behind.get(number)) for number, field in fields.items()}
        self.align(_OFFSET, 0)
        # How far away its vtable is; which is known when that is written.
        start, index = self.put(bytes(_OFFSET)), len(self._parts) - 1
        entries = [start - places[n] if n in places else 0 for n in range(max(fields, default=-1) + 1)]
        vtable = struct.pack(f"<{2 + len(entries)}H", 2 * (2 + len(entries)), start - end, *entries)
        if vtable not in self._vtables:
            self._vtables[vtable] = self.put(vtable)
        self._parts[index] = struct.pack("<i", self._vtables[vtable] - start)
        return start

    def _field(self, field: Field, place: int | None) -> int:
        """Write what a table holds itself of a field, a number or where the rest is, and return its place."""
        if place is not None:
            return self.refer(place)
        number = struct.pack(_FORMATS[field.kind], field.value)
        self.align(len(number), 0)
        return self.put(number)


def int32s(*values: int) -> NDArray[np.int32]:
    """Return a vector of int32."""
    return np.array(values, np.int32)
