"""The table of formats, in the order of `export.formats.names`."""

from __future__ import annotations

from export.formats.format import Format
from export.formats.onnx import Float16, Float32, Int8

FORMATS: dict[str, Format] = {row.name: row for row in (Float32(), Float16(), Int8())}
"""Formats by name."""
