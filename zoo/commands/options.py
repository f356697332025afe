"""Options and consoles that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

console = Console()
log = Console(stderr=True)
COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="NAME:TAG, NAME (untrained), a checkpoint file, a folder or ORG/NAME.")
]
Mirror = Annotated[
    Path | None, typer.Option("--from", help="Folder to take the weights of NAME:TAG from instead of the Hub.")
]
