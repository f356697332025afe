"""`make runtimes`: run a bundle in all runtimes, print the matrix, write docs/runtimes.json and docs/runtimes.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.report import write_report
from export.runtime import Classifier
from pixels import open_picture
from runtimes.crops import SEED, crops
from runtimes.matrix import compare, versions
from runtimes.page import cell, page
from zoo.command_line import run
from zoo.files import read_json
from zoo.machine import describe

PHOTOGRAPH = Path("docs/cat.jpg")


def main(
    bundle: Annotated[Path, typer.Argument(help="Folder written by `diracnet export`.")],
    docs: Annotated[Path, typer.Option(help="Folder for runtimes.json and runtimes.md.")] = Path("docs"),
    count: Annotated[
        int, typer.Option("--pictures", min=1, help="Number of crops of a photograph to compare on.")
    ] = 256,
) -> None:
    """Compare other runtimes with ONNX Runtime on all graphs of a bundle."""
    installed = versions()
    pictures = crops(PHOTOGRAPH, count)
    description = read_json(bundle / "config.json")
    answers = Classifier(bundle).predict(pictures, top=1)
    with Console(stderr=True).status("comparing") as status:
        graphs = compare(bundle, pictures, on_cell=lambda text: status.update(escape(text)))
    machine = describe(())
    result = {
        "net": f"{description['name']}:{description['weights']}",
        "pictures": f"{count} crops of {PHOTOGRAPH} ({'×'.join(map(str, open_picture(PHOTOGRAPH).size))}, seed {SEED})",
        "classes": len({answer[0].label for answer in answers}),
        "machine": machine["machine"],
        "python": machine["versions"]["python"],
        "versions": installed,
        "graphs": graphs,
    }
    table = Table("graph", "runtime", "largest difference, same answers")
    for graph, cells in graphs.items():
        for name, figures in cells.items():
            table.add_row(graph, name, escape(cell(figures)))
    Console().print(table)
    write_report(docs / "runtimes.json", result, page)


if __name__ == "__main__":
    run(lambda: typer.run(main))
