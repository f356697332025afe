"""C text: templates, string literals, comments and arrays that hold nothing but what they should."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from string import Template

import numpy as np
from numpy.typing import NDArray

_PER_LINE = 24


def fill(template: str, **values: object) -> str:
    """Return a template of `templates/` with its names filled in.

    Raises:
        KeyError: it contains a name that has no value.
    """
    return Template(_read(template)).substitute(values)


def comment(text: str) -> str:
    """Return text as it may stand in a comment: printable ASCII that neither ends it nor begins another.

    Example:
        >>> comment("mine */ int x;")
        'mine *? int x;'
    """
    return re.sub(r"[^ -~]", "?", text).replace("*/", "*?").replace("/*", "/?").replace("??/", "???")


def literal(text: str) -> str:
    """Return text as a string literal in UTF-8.

    Example:
        >>> literal("cat")
        '"cat"'
    """
    return '"' + "".join(_escaped(byte) for byte in text.encode()) + '"'


def array(values: NDArray[np.integer]) -> str:
    """Return the numbers of an array as an initializer, some on a line."""
    numbers = list(map(str, values.ravel().tolist()))
    lines = (", ".join(numbers[start : start + _PER_LINE]) for start in range(0, len(numbers), _PER_LINE))
    return "{\n    " + ",\n    ".join(lines) + "\n}"


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\?':  # a question mark may begin a trigraph
        return f"\\{character}"
    return character if 32 <= byte < 127 else f"\\{byte:03o}"


@cache
def _read(template: str) -> str:
    return files("export.c").joinpath("templates", template).read_text(encoding="utf-8")
