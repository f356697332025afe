"""The table of formats, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Collection

from export.formats.format import Format
from export.formats.onnx import Float16, Float32, Int8

FORMATS: dict[str, Format] = {row.name: row for row in (Float32(), Float16(), Int8())}
"""Name → format."""
ALWAYS = "fp32"
"""Every bundle has it, because the others are measured against it."""
ALL = "all"


def choose_formats(names: Collection[str]) -> tuple[str, ...]:
    """Return the formats that these names ask for, in the order of the table; "all" asks for all.

    float32 is always among them.

    Raises:
        ValueError: there is no such format.
    """
    unknown = sorted(set(names) - {*FORMATS, ALL})
    if unknown:
        raise ValueError(f"formats: {unknown[0]!r} is none; allowed are {', '.join((*FORMATS, ALL))}")
    return tuple(name for name in FORMATS if name in names or ALL in names or name == ALWAYS)
