"""The names of the formats of a bundle. Imports nothing, so that the command line checks them without PyTorch."""

from __future__ import annotations

from collections.abc import Collection

NAMES = ("fp32", "fp16", "int8", "litert", "litert-int8", "c")
"""In the order in which they are written; `export.formats.table` says what each one is."""
QUANTIZED = frozenset({"int8", "litert-int8", "c"})
"""Those that need a record of the net's quantization."""
ALWAYS = "fp32"
"""The format that every bundle has, because the others are measured against it."""
ALL = "all"


def choose_formats(names: Collection[str]) -> tuple[str, ...]:
    """Return the names of the requested formats, in the order of the table; "all" stands for all of them.

    float32 is always included.

    Raises:
        ValueError: a name is not that of a format.
    """
    unknown = sorted(set(names) - {*NAMES, ALL})
    if unknown:
        raise ValueError(f"formats: {unknown[0]!r} is unknown; allowed are {', '.join((*NAMES, ALL))}")
    return tuple(name for name in NAMES if name in names or ALL in names or name == ALWAYS)
