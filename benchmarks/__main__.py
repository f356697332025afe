"""`make bench`: measure, and write docs/benchmarks.json, the page made from it and the plots.

`python -m benchmarks PART …` measures single parts again; `python -m benchmarks page` writes the page alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

# Before PyTorch is loaded: its waiting threads should sleep too, and there should be as many as ONNX Runtime has.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "2")

import torch
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import bars, exporting, first_answer, inference, training
from benchmarks.page import draw, page, write_summary
from benchmarks.report import write_report
from benchmarks.runners import THREADS
from zoo.command_line import run
from zoo.files import read_json, write_json
from zoo.machine import describe

PARTS = {
    "bars": bars.measure,
    "inference": inference.measure,
    "training": training.measure,
    "exporting": exporting.measure,
    "first-answer": first_answer.measure,
}
"""Name → the function that measures it, which reports progress to its argument."""
PAGE = "page"
PACKAGES = ("torch", "torchvision", "timm", "onnx", "onnxruntime", "openvino", "numpy")


def main(
    parts: Annotated[
        list[str] | None, typer.Argument(help=f"Any of {', '.join(PARTS)} (default: all), or {PAGE}.")
    ] = None,
    docs: Annotated[Path, typer.Option(help="Folder of benchmarks.json and benchmarks.md.")] = Path("docs"),
) -> None:
    """Measure parts, each of which replaces its own figures, and write the page."""
    chosen = parts or list(PARTS)
    unknown = [part for part in chosen if part not in (*PARTS, PAGE)]
    if unknown:
        raise ValueError(f"no part is named {unknown[0]!r}; there are {', '.join(PARTS)}, and {PAGE}")
    record = docs / "benchmarks.json"
    # Wants packages that not every part does, so before the time is spent.
    environment = _environment() if PARTS.keys() & chosen else {}
    console = Console(stderr=True)
    for part in chosen:
        if part in PARTS:
            with console.status("") as status:
                found = PARTS[part](lambda text, part=part: status.update(escape(f"{part}: {text}")))  # type: ignore[misc]
            written = read_json(record) if record.exists() else {}
            write_json(record, {**written, part: {**found, **environment, "load": os.getloadavg()[0]}})
    result = read_json(record)
    if write_report(record, result, page, needed=PARTS):
        draw(result["inference"], docs / "benchmarks")
        if (docs.parent / "README.md").is_file():
            write_summary(result["inference"], docs.parent / "README.md")
    _print(result)


def _environment() -> dict[str, Any]:
    return {**describe(PACKAGES, THREADS), "torch_threads": torch.get_num_threads()}


def _print(result: dict[str, Any]) -> None:
    table = Table("a / b", "median", "quartiles", "bar", "a, ms", "b, ms", "rounds")
    for part in result.values():
        for row in (*part.get("bars", ()), *part.get("ratios", {}).values()):
            table.add_row(
                row["name"],
                f"{row['median']:.3f}",
                f"{row['low']:.3f} – {row['high']:.3f}",
                f"≤ {row['bar']:.2f}" if "bar" in row else "",
                f"{row['first_ms']:.1f}",
                f"{row['second_ms']:.1f}",
                str(row["rounds"]),
            )
    Console().print(table)


if __name__ == "__main__":
    run(lambda: typer.run(main))
