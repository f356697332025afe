"""The table of formats, in the order of `export.formats.names`."""

from __future__ import annotations

from export.formats.c import C
from export.formats.format import Format
from export.formats.litert import LiteRTFloat32, LiteRTInt8
from export.formats.onnx import Float16, Float32, Int8

FORMATS: dict[str, Format] = {
    row.name: row for row in (Float32(), Float16(), Int8(), LiteRTFloat32(), LiteRTInt8(), C())
}
"""Formats by name."""
