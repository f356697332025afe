"""All that the commands print. What comes from files, folders and servers cannot steer the terminal or forge lines.

Other modules call neither `print` nor rich's consoles and tables; rich is imported here by those functions that use it.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

_JOINERS = "\u200c\u200d"
"""Invisible, but part of how Persian words and many emoji are spelt."""


def visible(text: object) -> str:
    r"""Return a text on one line, in which what a terminal would obey or hide is written as an escape.

    These are control characters (such as those that begin terminal sequences), line ends, marks that reverse the order
    of the text, other invisible characters, and bytes of file names that are no text.

    Example:
        >>> visible("cat\x1b[31m\n猫")
        'cat\\x1b[31m\\n猫'
    """
    return "".join(
        each if each.isprintable() or each in _JOINERS or unicodedata.category(each) == "Zs" else _escape(each)
        for each in str(text)
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def say(*lines: object, error: bool = False) -> None:
    """Print lines of text, made visible, and flush them.

    Args:
        lines: the lines.
        error: print to standard error instead of standard output.
    """
    print(*map(visible, lines), sep="\n", file=sys.stderr if error else sys.stdout, flush=True)


def note(text: object) -> None:
    """Print a line for people to standard error, which programs that read the output do not see."""
    say(text, error=True)


def json_text(value: Any) -> str:
    """Return a value as indented JSON in ASCII, which is the same in every encoding and safe on every terminal."""
    return json.dumps(value, indent=2).replace("\x7f", "\\u007f")


def say_json(value: Any) -> None:
    """Print a value as `json_text`."""
    print(json_text(value))


def say_json_array(values: Iterable[Any]) -> None:
    """Print a JSON array, each element as soon as it is there; what was printed is whole JSON even after an error."""
    between = ""
    print("[", end="", flush=True)
    try:
        for value in values:
            print(between, textwrap.indent(json_text(value), "  "), sep="\n", end="", flush=True)
            between = ","
    finally:
        print("\n]")


def shown(*lines: object) -> Text:
    """Return lines of text, made visible, for rich, which then finds no markup in them."""
    from rich.text import Text

    return Text("\n".join(map(visible, lines)))


def say_table(heads: Sequence[str] | None, rows: Iterable[Sequence[object]], *, bare: bool = False) -> None:
    """Print a table.

    Args:
        heads: the columns' heads; None for a table without.
        rows: the cells of each row; a list is a cell of several lines.
        bare: without frames, and with all columns but the first to the right.
    """
    from rich.table import Table

    frames: dict[str, Any] = {"box": None, "padding": (0, 1, 0, 0)} if bare else {}
    table = Table(show_header=heads is not None, **frames)
    for number, head in enumerate(heads or ()):
        table.add_column(shown(head), justify="right" if bare and number else "left")
    for row in rows:
        table.add_row(*(shown(*cell) if isinstance(cell, list) else shown(cell) for cell in row))
    console().print(table)


def console(*, error: bool = False) -> Console:
    """Return rich's console for standard output, or for standard error."""
    from rich.console import Console

    return Console(stderr=error)


@contextmanager
def status(text: object) -> Iterator[Callable[[object], None]]:
    """Show beside a spinner what is being done, on terminals only; yield the function that changes the text."""
    with console(error=True).status(shown(text)) as spinner:
        yield lambda other: spinner.update(shown(other))


def progress(**options: Any) -> Progress:
    """Return rich's progress bars, on standard error."""
    from rich.progress import Progress

    return Progress(console=console(error=True), **options)


@contextmanager
def printed_once() -> Iterator[None]:
    """Print what a block prints in the first process only, where accelerate or torchrun started several.

    Errors that leave the block are for the caller to print.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or os.environ.get("RANK", "0") == "0":
        yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


class _Handler(logging.Handler):
    """Prints what is logged as `say` does."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage(), error=True)


def prepare_streams() -> None:
    """Let standard output and error write characters that their encoding lacks as escapes, and print what is logged."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(handlers=[_Handler()])
    logging.getLogger("zoo").setLevel(logging.INFO)  # that something is fetched, which takes time
