"""Measures int8, and writes docs/int8.json and the page made from it.

`python -m benchmarks.int8 steps NAME:TAG --data DATA` measures a shipped net, `… speed` the time, `… overflow NAME:TAG
--data DATA` what x86 processors without VNNI need; `… page` writes the page alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.int8.measure import environment, measure_overflow, measure_steps, speed_case
from benchmarks.int8.page import page
from benchmarks.pairs import paired
from benchmarks.report import write_report
from zoo.command_line import run
from zoo.files import read_json

app = typer.Typer(add_completion=False, help=__doc__)
Model = Annotated[str, typer.Argument(help="Shipped net with a record of its quantization, as NAME:TAG.")]
Data = Annotated[str, typer.Option(help="Data set the net was trained and tested on, as for `diracnet train --data`.")]
Docs = Annotated[Path, typer.Option(help="Folder of int8.json and int8.md.")]


@app.command()
def steps(model: Model, data: Data, docs: Docs = Path("docs")) -> None:
    """Measure what each step buys for one net."""
    with Console(stderr=True).status("") as status:
        result = measure_steps(model, data, lambda text: status.update(escape(text)))
    _write(docs, {"nets": {**_read(docs).get("nets", {}), model: result}})


@app.command()
def speed(docs: Docs = Path("docs")) -> None:
    """Time DiracNet-18 in float32 and in int8, in alternation."""
    _write(docs, {"speed": {**asdict(paired(speed_case())), **environment()}})


@app.command()
def overflow(model: Model, data: Data, docs: Docs = Path("docs")) -> None:
    """Measure one net on an x86 processor without VNNI, with the session entry that int8 needs there and without."""
    _write(docs, {"overflow": {**_read(docs).get("overflow", {}), model: measure_overflow(model, data)}})


@app.command("page")
def page_(docs: Docs = Path("docs")) -> None:
    """Write docs/int8.md from the recorded figures."""
    _write(docs, {})


def _read(docs: Path) -> dict[str, Any]:
    return read_json(docs / "int8.json") if (docs / "int8.json").is_file() else {}


def _write(docs: Path, found: Mapping[str, Any]) -> None:
    write_report(docs / "int8.json", {**_read(docs), **found}, page, needed=("nets", "speed", "overflow"))


if __name__ == "__main__":
    run(app)
