"""The table of formats, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Collection

from export.formats.format import Format
from export.formats.onnx import Float16, Float32, Int8

FORMATS: dict[str, Format] = {row.name: row for row in (Float32(), Float16(), Int8())}
"""Formats by name."""
ALWAYS = "fp32"
"""The format that every bundle has, because the others are measured against it."""
ALL = "all"


def choose_formats(names: Collection[str]) -> tuple[str, ...]:
    """Return the names of the requested formats, in the order of the table; "all" stands for all of them.

    float32 is always included.

    Raises:
        ValueError: a name is not that of a format.
    """
    unknown = sorted(set(names) - {*FORMATS, ALL})
    if unknown:
        raise ValueError(f"formats: {unknown[0]!r} is unknown; allowed are {', '.join((*FORMATS, ALL))}")
    return tuple(name for name in FORMATS if name in names or ALL in names or name == ALWAYS)
