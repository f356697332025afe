"""`make mcu`: run the shipped nets on boards in QEMU and in TFLM; write docs/devices.json and docs/devices.md.

`python -m runtimes.mcu nets --data DATA` measures the shipped nets, `… nets NAME:TAG --data DATA` only one of them,
`… residual --run RUN --data DATA` the residual nets that they are compared with, and `… page` writes the page from what
is recorded.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from benchmarks.report import write_report
from export.runtime.sessions import has_vnni
from runtimes.mcu import comparison
from runtimes.mcu.board import COMPILER, EMULATOR, lacking, program_version
from runtimes.mcu.nets import CELLS, measure
from runtimes.mcu.page import page
from runtimes.mcu.residual.measure import SEED, measure_residual
from zoo.command_line import run
from zoo.files import read_json
from zoo.machine import describe
from zoo.weights.record import all_weights

PACKAGES = ("ai-edge-litert", "tflite-micro", "onnxruntime", "numpy")
NEEDED = ("nets", "residual")
app = typer.Typer(add_completion=False, help=__doc__)
Docs = Annotated[Path, typer.Option(help="Folder for devices.json, devices.md and devices/.")]
Count = Annotated[int, typer.Option("--pictures", min=1, help="At most how many test pictures to measure accuracy on.")]


@app.command()
def nets(
    models: Annotated[
        list[str] | None, typer.Argument(help="Shipped nets to measure anew, as NAME:TAG; all by default.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="A data set, for accuracy on its test pictures; may be repeated.")
    ] = None,
    count: Count = 10_000,
    docs: Docs = Path("docs"),
) -> None:
    """Measure the shipped nets as plain C, on microcontrollers and on this computer."""
    if missing := lacking():
        raise FileNotFoundError(f"missing: {', '.join(missing)}; `make mcu` installs them on Debian and Ubuntu")
    shipped = {f"{record.model}:{record.tag}": record for record in all_weights().values() if record.folder}
    if unknown := set(models or ()) - shipped.keys():
        raise ValueError(f"{', '.join(sorted(unknown))}: no shipped net; there are {', '.join(shipped)}")
    environment = {**describe(PACKAGES), "vnni": has_vnni(), "pictures": len(CELLS)}
    environment["versions"] |= {program: program_version(program) for program in ("cc", COMPILER, EMULATOR)}
    path = docs / "devices.json"
    found = read_json(path)["nets"] if models and path.is_file() else {}
    with Console(stderr=True).status("measuring") as status:
        for name in models or shipped:
            tell = partial(_tell, status, f"{name}: ")
            found[name] = {**measure(shipped[name], data or [], count, tell), "environment": environment}
    _write(docs, {"nets": {name: found[name] for name in shipped if name in found}})


@app.command()
def residual(
    run_folders: Annotated[
        list[Path] | None,
        typer.Option("--run", help="A finished run of `python -m benchmarks.paper beside resnet8 …`; may be repeated."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="The data set that it was trained on, for accuracy.")] = None,
    count: Count = 10_000,
    docs: Docs = Path("docs"),
) -> None:
    """Measure ResNet-8 and ResNet-20 in TensorFlow Lite Micro; those without a run have random weights."""
    with Console(stderr=True).status("measuring") as status:
        found = measure_residual(run_folders or [], data, count, partial(_tell, status, ""))
    machine = describe(PACKAGES)
    _write(docs, {"residual": {"nets": found, "seed": SEED, "data": data and data.partition(":")[0], **machine}})


@app.command("page")
def page_(docs: Docs = Path("docs")) -> None:
    """Write devices.md and its plot from devices.json."""
    _write(docs, {})


def _write(docs: Path, new: dict[str, Any]) -> None:
    """Write the record with new figures beside the old ones, and the page and the plot from it."""
    path = docs / "devices.json"
    result = {**(read_json(path) if path.is_file() else {}), **new}
    if all(key in result for key in NEEDED):
        comparison.draw(docs / "devices", result)
    write_report(path, result, page, NEEDED)


def _tell(status: Status, before: str, text: str) -> None:
    status.update(escape(f"{before}{text}"))


if __name__ == "__main__":
    run(app)
