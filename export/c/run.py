"""Compiles the C files of a net and runs them on pictures."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from export.c.text import fill

_SMALLEST = "#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n\nint main(void)\n{\n    return 0;\n}\n"
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
"""With these a compiler must have nothing to say about the files."""


def compiler() -> tuple[str, ...] | None:
    """Return the C compiler's path and arguments, which the variable CC may name; None if there is none."""
    name, *arguments = shlex.split(os.environ.get("CC") or "") or ["cc"]
    found = shutil.which(name)
    return None if found is None else (found, *arguments)


def lacking() -> str | None:
    """Return why no C can be compiled and run here, which is tried once for each compiler; None if it can."""
    found = compiler()
    return "without a C compiler (cc, or CC)" if found is None else _fault(found)


@cache
def _fault(found: tuple[str, ...]) -> str | None:
    try:
        with TemporaryDirectory() as temporary:
            _run([str(build({"main.c": _SMALLEST}, Path(temporary)))], b"")
    except (RuntimeError, OSError) as error:
        return f"the C compiler {shlex.join(found)} makes no program that runs here ({' '.join(str(error).split())})"
    return None


def run_c(
    sources: Mapping[str, str], name: str, pictures: NDArray[np.uint8], flags: Sequence[str] = ("-O2",)
) -> NDArray[np.int8]:
    """Return the logits' codes, (batch, classes), of pictures, (batch, size, size, channels).

    Args:
        sources: name and text of each file, as `export.c.source.write_c` yields them.
        name: of the net.
        pictures: uint8.
        flags: more flags for the compiler.

    Raises:
        FileNotFoundError: there is no compiler.
        RuntimeError: the files do not compile without a warning, or the program fails; the message has its output.
    """
    with TemporaryDirectory() as temporary:
        main = {"main.c": fill("feed.c", name=name, NAME=name.upper())}
        program = build({**sources, **main}, Path(temporary), flags)
        output = _run([str(program)], np.ascontiguousarray(pictures).tobytes())
    if not output or len(output) % len(pictures):
        raise RuntimeError(f"the program gave {len(output):,} bytes for {len(pictures):,} pictures")
    return np.frombuffer(output, np.int8).reshape(len(pictures), -1)


def build(sources: Mapping[str, str], folder: Path, flags: Sequence[str] = ()) -> Path:
    """Write C files into a folder and compile them; return the program.

    Raises:
        FileNotFoundError: there is no compiler.
        RuntimeError: they do not compile without a warning; the message has the compiler's output.
    """
    found = compiler()
    if found is None:
        raise FileNotFoundError("no C compiler: install one, or name it in the variable CC")
    for file, text in sources.items():
        (folder / file).write_text(text, encoding="ascii", newline="\n")
    program = folder / "program"
    files = [str(folder / file) for file in sources if file.endswith(".c")]
    _run([*found, *WARNINGS, *flags, "-o", str(program), *files], b"")
    return program


def _run(command: Sequence[str], given: bytes) -> bytes:
    done = subprocess.run(  # noqa: S603 (the program is what this package wrote)
        command, input=given, capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: {said[:2000]}")
    return done.stdout
