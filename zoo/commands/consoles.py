"""Where commands print: tables to the standard output, progress and notes to the standard error."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

console = Console()
log = Console(stderr=True)
COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())


def note(text: str) -> None:
    """Print a line for people, which programs that read the output do not see."""
    log.print(text, markup=False, highlight=False, soft_wrap=True)
