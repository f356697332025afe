"""docs/runtimes.md, from docs/runtimes.json and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import fill, table
from runtimes.openvino_cpu import DEFAULT

TEMPLATE = Path(__file__).with_suffix(".md")
FLOAT32 = ("onnx/model.onnx", "onnx/model_pictures.onnx")
INT8 = ("onnx/model_quantized.onnx", "onnx/model_quantized_pictures.onnx")


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result of `python -m runtimes`."""
    names = [name for name in result["versions"] if name != "ONNX Runtime"]
    graphs = result["graphs"]
    single, whole = ([graphs[path] for path in paths] for paths in (FLOAT32, INT8))
    values = {
        "result": result,
        "exact": _worst(cells[name] for cells in single for name in names if name != DEFAULT),
        "default": _worst(cells[DEFAULT] for cells in single),
        "int8": _worst(cell for cells in whole for cell in cells.values()),
        "failing": _failing(graphs),
        "matrix": table(
            ["graph", *names],
            [[f"`{graph}`", *(cell(cells[name]) for name in names)] for graph, cells in graphs.items()],
        ),
        "versions": table(["runtime", "version"], result["versions"].items()),
    }
    return fill(TEMPLATE, values)


def cell(figures: Mapping[str, Any]) -> str:
    """Return the text of one cell of the table."""
    if "error" in figures:
        return f"fails: {figures['error'].replace('|', '/')}"
    difference = f"{figures['difference']:.1e}" if figures["difference"] else "0"
    return f"{difference}, {100 * figures['agreement']:.1f} %"


def _worst(cells: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the largest difference and the smallest agreement; a runtime that failed agrees on nothing."""
    found = list(cells)
    return {
        "difference": max(one.get("difference", float("inf")) for one in found),
        "agreement": min(one.get("agreement", 0.0) for one in found),
    }


def _failing(graphs: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return which runtimes cannot run which graphs."""
    failed: dict[str, list[str]] = {}
    for graph, cells in graphs.items():
        for name, figures in cells.items():
            if "error" in figures:
                failed.setdefault(name, []).append(f"`{graph}`")
    return "; ".join(f"{name} cannot run {' and '.join(which)}" for name, which in failed.items()) or "Every graph runs"
