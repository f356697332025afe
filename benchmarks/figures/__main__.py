"""Measures the shipped nets beyond their top-1, and writes docs/figures.json, the page made from it and its plots.

`python -m benchmarks.figures measure NAME:TAG … --data DATA` measures nets; `… page` writes the page alone. Both write
the nets' temperatures, and the figures that are on the zoo's card, into their manifests. For other nets there is
`diracnet evaluate --full`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

# One thread throughout: so figures can be measured beside other work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.figures.manifests import write_manifests
from benchmarks.figures.measure import measure as measure_nets
from benchmarks.figures.page import draw, page
from benchmarks.report import write_report
from export.commands.evaluate import CORRUPTED
from zoo import get_weight
from zoo.command_line import run
from zoo.files import read_json
from zoo.weights.reference import Tagged, parse_reference

app = typer.Typer(add_completion=False, help=__doc__)
Docs = Annotated[Path, typer.Option(help="Folder of figures.json and figures.md.")]


@app.command()
def measure(
    models: Annotated[list[str], typer.Argument(help="Shipped nets with records of their quantization, as NAME:TAG.")],
    data: Annotated[str, typer.Option(help="Data set they were tested on, as for `diracnet evaluate --data`.")],
    corrupted: Annotated[
        int | None,
        typer.Option(min=10, help="Number of test pictures to corrupt; by default as many as for the other nets."),
    ] = None,
    docs: Docs = Path("docs"),
) -> None:
    """Measure nets, and write the page, its plots and the nets' manifests."""
    for model in models:
        _check(model)
    others = {name: net for name, net in _read(docs).get("nets", {}).items() if name not in models}
    count = _corrupted(corrupted, {net["corrupted_pictures"] for net in others.values()})
    with Console(stderr=True).status("") as status:
        result = measure_nets(models, data, lambda text: status.update(escape(text)), count=count)
    _write(docs, {"nets": {**others, **result}})


def _corrupted(asked: int | None, others: Collection[int]) -> int:
    """Return how many pictures to corrupt, which has to be the same for all nets of the page."""
    of_others = max(others, default=asked or CORRUPTED)
    if asked not in (None, of_others):
        raise ValueError(
            f"--corrupted {asked}: the other nets of the page were measured on {of_others}; leave it out, or measure "
            "all nets at once"
        )
    return of_others


def _check(model: str) -> None:
    reference = parse_reference(model)
    if not isinstance(reference, Tagged):
        raise ValueError(f"{model} is not NAME:TAG of a shipped net")
    get_weight(reference.name, reference.tag)


@app.command("page")
def page_(docs: Docs = Path("docs")) -> None:
    """Write docs/figures.md, its plots and the nets' manifests from the recorded figures."""
    _write(docs, {})


def _read(docs: Path) -> dict[str, Any]:
    return read_json(docs / "figures.json") if (docs / "figures.json").is_file() else {}


def _write(docs: Path, found: Mapping[str, Any]) -> None:
    result = {**_read(docs), **found}
    write_report(docs / "figures.json", result, page, needed=("nets",))
    draw(result, docs / "figures")
    write_manifests(result.get("nets", {}))


if __name__ == "__main__":
    run(app)
