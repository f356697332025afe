"""Builds the C files of a net for a board and runs them in QEMU."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

FIRMWARE = Path(__file__).parent / "firmware"
COMPILER, SIZE, EMULATOR = "arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"
PROGRAMS = (COMPILER, SIZE, EMULATOR)
FLAGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-mthumb", "-ffunction-sections")
LINKING = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-T", "mps2.ld")
PER_TICK = 40
"""Instructions in a tick of the board's timer."""
_LIMIT = 540  # seconds


@dataclass(frozen=True)
class Board:
    """A board of QEMU and its processor."""

    name: str
    machine: str
    processor: str


BOARDS = (Board("Cortex-M4", "mps2-an386", "cortex-m4"), Board("Cortex-M7", "mps2-an500", "cortex-m7"))


@dataclass(frozen=True)
class Measured:
    """What a net took on a board.

    Args:
        logits: int8, (batch, classes).
        flash: bytes of code and constants of the net's own two files.
        stack: bytes of stack that a call used.
        instructions: executed per picture.
    """

    logits: NDArray[np.int8]
    flash: int
    stack: int
    instructions: int


def lacking() -> list[str]:
    """Return the programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def run_on(board: Board, sources: Mapping[str, str], name: str, pictures: NDArray[np.uint8]) -> Measured:
    """Run a net on a board.

    Args:
        board: which one.
        sources: the C files of the net, as `export.c.source.write_c` returns them.
        name: of the net.
        pictures: uint8, (batch, size, size, channels).

    Raises:
        FileNotFoundError: a program is not installed.
        RuntimeError: a program fails.
    """
    if missing := lacking():
        raise FileNotFoundError(f"missing: {', '.join(missing)}; `make mcu` installs them on Debian and Ubuntu")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for file in FIRMWARE.iterdir():
            shutil.copy(file, folder)
        for file_name, text in sources.items():
            if file_name != "main.c":
                (folder / file_name).write_text(text, encoding="ascii")
        macros = {"PIXELS": "PIXELS", "SCRATCH": "SCRATCH", "CLASSES": "CLASSES"}
        lines = [f'#include "{name}.h"', *(f"#define {one} {name.upper()}_{other}" for one, other in macros.items())]
        (folder / "this_net.h").write_text("\n".join([*lines, f"#define NET {name}_logits", ""]), encoding="ascii")
        compile_ = (COMPILER, f"-mcpu={board.processor}", *FLAGS)
        files = sorted(path.name for path in folder.glob("*.c"))
        _run([*compile_, "-c", *files], folder)
        objects = [file.replace(".c", ".o") for file in files]
        _run([*compile_, *LINKING, "-o", "board.elf", *objects], folder)
        own = [f"{name}.o", f"{name}_weights.o"]
        sizes = [line.split() for line in _run([SIZE, *own], folder).splitlines()[1:]]
        np.ascontiguousarray(pictures).tofile(folder / "pictures.bin")
        said = _run(
            [
                *(EMULATOR, "-M", board.machine, "-nographic", "-monitor", "none", "-serial", "none"),
                *("-icount", "shift=0", "-semihosting-config", "enable=on,target=native", "-kernel", "board.elf"),
            ],
            folder,
        )
        logits = np.fromfile(folder / "logits.bin", np.int8).reshape(len(pictures), -1)
    figures = {key: int(number) for key, number in re.findall(r"(\w+) (\d+)", said)}
    if figures["pictures"] != len(pictures):
        raise RuntimeError(f"{board.name}: only {figures['pictures']} of {len(pictures)} pictures were computed")
    instructions = PER_TICK * figures["ticks"] // len(pictures)
    return Measured(logits, sum(int(size[0]) for size in sizes), figures["stack"], instructions)


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(  # noqa: S603 (programs of this repository)
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=_LIMIT
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[:2000]}")
    return done.stdout + done.stderr


def program_version(program: str) -> str:
    """Return a program's version, as it says it."""
    line = _run([program, "--version"], Path.cwd()).splitlines()[0]
    (found,) = re.findall(r"\d+\.\d+\.\d+", line)[:1]
    return str(found)
