"""docs/runtimes.md, from docs/runtimes.json, and from the registry whether the net has other weights by now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import fill, table
from export.layout import GRAPHS
from runtimes.ncnn_cpu import DEFAULT as NCNN
from runtimes.openvino_cpu import DEFAULT as OPENVINO
from zoo.weights.record import all_weights

TEMPLATE = Path(__file__).with_suffix(".md")
FLOAT32, INT8 = ((form.path, form.pictures) for form in (GRAPHS["fp32"], GRAPHS["int8"]))
INTEGERS = ("C", "LiteRT, int8", "LiteRT, int8, reference kernels", "TFLM, int8")
"""The rows of files whose arithmetic is of integers."""


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result of `python -m runtimes`."""
    graphs, files = result["graphs"], result["files"]
    chosen = {OPENVINO: [graphs[path][OPENVINO] for path in FLOAT32 if OPENVINO in graphs[path]]}
    chosen |= {NCNN: [files[NCNN]] if NCNN in files else []}
    exact = [cell for path in FLOAT32 for name, cell in graphs[path].items() if name != OPENVINO]
    single = [cell for name, cell in files.items() if name not in (NCNN, *INTEGERS) and "converted" not in cell]
    furthest = max(chosen, key=lambda name: _worst(chosen[name])["difference"])
    values = {
        "result": result,
        "float32": {**_worst([*exact, *single]), "count": len(exact) + len(single)},
        "default": {
            "name": furthest,
            "difference": _worst(chosen[furthest])["difference"],
            "agreement": _worst(cell for cells in chosen.values() for cell in cells)["agreement"],
        },
        "int8": _worst(cell for path in INT8 for cell in graphs[path].values()),
        "integers": _worst(files[name] for name in INTEGERS if name in files),
        "same": _same(files),
        "failing": _failing(graphs, files),
        "matrix": _matrix(result),
        "files": _files(result),
        "digest": result["sha256"][:12],
        "stale": _stale(result),
        "versions": table(["runtime", "version"], result["versions"].items()),
    }
    return fill(TEMPLATE, values)


def _stale(result: Mapping[str, Any]) -> str:
    """Return a paragraph that says that the net has other weights by now, if it has."""
    name, tag = result["net"].split(":")
    weight = all_weights().get((name, tag))
    same = weight is not None and weight.files["folded"].sha256 == result["sha256"]
    if same:
        return ""
    return f"\nMeasured on weights of `{result['net']}` that have been replaced since.\n"


def cell(figures: Mapping[str, Any]) -> str:
    """Return the text of one cell of the table."""
    if "error" in figures:
        return f"fails: {figures['error'].replace('|', '/')}"
    if "converted" in figures:
        return str(figures["converted"])
    difference = f"{figures['difference']:.1e}" if figures["difference"] else "0"
    few = f" ({figures['pictures']} pictures)" if "pictures" in figures else ""
    return f"{difference}, {100 * figures['agreement']:.2f}%{few}"


def _matrix(result: Mapping[str, Any]) -> str:
    """Return the table of ONNX graphs, a row for each runtime."""
    graphs = result["graphs"]
    names = list(dict.fromkeys(name for cells in graphs.values() for name in cells))
    rows = [[name, *(cell(cells[name]) for cells in graphs.values())] for name in names]
    return table(["runtime", *(f"`{Path(graph).stem}`" for graph in graphs)], rows)


def _files(result: Mapping[str, Any]) -> str:
    """Return the table of other files, and of all that is not installed."""
    rows = [
        [name, f"`{figures['file']}`", cell(figures), f"{100 * figures['same']:.2f}%" if "same" in figures else ""]
        for name, figures in result["files"].items()
    ]
    rows += [[name, "", f"not installed: `{package}`", ""] for name, package in result["missing"].items()]
    return table(["runtime", "file", "difference, same answers", "bits of C"], rows)


def _same(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a sentence on the runtimes that compute the same integers."""
    equal = [name for name, figures in files.items() if figures.get("same") == 1]
    return f"Every logit of {' and of '.join(equal)} is that of C, to the last bit." if equal else ""


def _worst(cells: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the largest difference and the smallest agreement; a runtime that failed agrees on nothing."""
    found = list(cells)
    return {
        "difference": max((one.get("difference", float("inf")) for one in found), default=0.0),
        "agreement": min((one.get("agreement", 0.0) for one in found), default=1.0),
    }


def _every(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return that every file runs, and what was not run."""
    converted = [name for name, figures in files.items() if "converted" in figures]
    return f"Every file runs; {' and '.join(converted)} was only converted" if converted else "Every file runs"


def _failing(graphs: Mapping[str, Mapping[str, Any]], files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return which runtimes cannot run which files."""
    failed: dict[str, list[str]] = {}
    for graph, cells in graphs.items():
        for name, figures in cells.items():
            if "error" in figures:
                failed.setdefault(name, []).append(f"`{graph}`")
    for name, figures in files.items():
        if "error" in figures:
            failed.setdefault(name, []).append(f"`{figures['file']}`")
    return "; ".join(f"{name} cannot run {' and '.join(which)}" for name, which in failed.items()) or _every(files)
