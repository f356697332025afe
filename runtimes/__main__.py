"""`make runtimes`: run a bundle in all runtimes, print the matrix, write docs/runtimes.json and docs/runtimes.md."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from benchmarks.report import write_report
from export.bundle.reader import OpenBundle
from export.runtime import Classifier
from pixels import open_picture
from runtimes.crops import SEED, crops, spaced
from runtimes.matrix import READERS, RUNNERS, compare, compare_files, versions
from runtimes.page import cell, page
from runtimes.runner import PART
from zoo.command_line import run
from zoo.files import read_json, sha256
from zoo.layout import WEIGHTS
from zoo.machine import describe
from zoo.training.places import find_place
from zoo.training.sources import load_test

PHOTOGRAPH = Path("docs/cat.jpg")
CROPS = 256


def main(
    bundle: Annotated[Path, typer.Argument(help="Folder written by `diracnet export`.")],
    data: Annotated[
        str | None, typer.Option(help="A data set's folder: compare on its test pictures rather than on crops.")
    ] = None,
    docs: Annotated[Path, typer.Option(help="Folder for runtimes.json and runtimes.md.")] = Path("docs"),
    count: Annotated[
        int | None,
        typer.Option("--pictures", min=1, help=f"Test pictures to compare on, all by default; or crops, {CROPS}."),
    ] = None,
) -> None:
    """Compare other runtimes with ONNX Runtime on all files of a bundle that compute logits."""
    installed, missing = versions()
    description = read_json(bundle / "config.json")
    if data is None:
        pictures = crops(PHOTOGRAPH, count or CROPS)
        words = (
            f"{len(pictures)} crops of {PHOTOGRAPH} ({'×'.join(map(str, open_picture(PHOTOGRAPH).size))}, seed {SEED})"
        )
    else:
        whole, place = _test_pictures(data, bundle), find_place(data)
        pictures = whole[spaced(len(whole), count or len(whole))]
        part = "all" if len(pictures) == len(whole) else f"{len(pictures):,}, evenly spaced, of the"
        words = f"{part} {len(whole):,} test pictures of {place.row.title if place.named else 'a folder'}"
    classifier = Classifier(bundle, threads=1)
    answers = [answer for part in _parts(pictures) for answer in classifier.predict(part, top=1)]
    with Console(stderr=True).status("comparing") as status:
        tell = partial(_tell, status)
        graphs = compare(bundle, pictures, [one for one in RUNNERS if one.name in installed], tell)
        files = compare_files(bundle, pictures, [one for one in READERS if one.name in installed], tell)
    machine = describe(())
    result = {
        "net": f"{description['name']}:{description['weights']}",
        "sha256": sha256(bundle / WEIGHTS),
        "pictures": words,
        "classes": len({answer[0].label for answer in answers}),
        "machine": machine["machine"],
        "python": machine["versions"]["python"],
        "versions": installed,
        "missing": missing,
        "graphs": graphs,
        "files": files,
    }
    table = Table("file", "runtime", "largest difference, same answers")
    for graph, cells in graphs.items():
        for name, figures in cells.items():
            table.add_row(graph, name, escape(cell(figures)))
    for name, figures in files.items():
        table.add_row(figures["file"], name, escape(cell(figures)))
    Console().print(table)
    write_report(docs / "runtimes.json", result, page)


def _parts(pictures: list[Image.Image]) -> Iterator[list[Image.Image]]:
    for start in range(0, len(pictures), PART):
        yield pictures[start : start + PART]


def _tell(status: Status, text: str) -> None:
    status.update(escape(text))


def _test_pictures(data: str, bundle: Path) -> list[Image.Image]:
    """Return the test pictures of a data set, cropped as the bundle's net expects them."""
    test = load_test(data, OpenBundle(bundle).preprocessing)
    arrays = (image.permute(1, 2, 0).squeeze(-1).numpy() for images, _ in test.in_order(250) for image in images)
    return [Image.fromarray(np.ascontiguousarray(array)) for array in arrays]


if __name__ == "__main__":
    run(lambda: typer.run(main))
