"""docs/runtimes.md, written from docs/runtimes.json and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result of `python -m runtimes`."""
    names = [name for name in result["versions"] if name != "ONNX Runtime"]
    lines = [
        "# The same bundle in other runtimes",
        "",
        "Written by `make runtimes`, as is [runtimes.json](runtimes.json), from which it is made.",
        "",
        f"Each graph of the bundle of `{result['net']}` was given {result['pictures']}, in which ONNX Runtime sees "
        f"{result['classes']} different classes. A cell has the largest difference of a logit from ONNX Runtime's on "
        "the same graph, relative to the largest logit, and the share of pictures whose most probable class is the "
        "same.",
        "",
        f"| graph | {' | '.join(names)} |",
        "|---" * (len(names) + 1) + "|",
        *(
            f"| `{graph}` | {' | '.join(cell(cells[name]) for name in names)} |"
            for graph, cells in result["graphs"].items()
        ),
        "",
        f"Run on {result['machine']}, with Python {result['python']} and these versions:",
        "",
        "| runtime | version |",
        "|---|---|",
        *(f"| {name} | {version} |" for name, version in result["versions"].items()),
        "",
        "OpenVINO computes in bfloat16 by itself on processors that have it; `INFERENCE_PRECISION_HINT=f32` makes it "
        "compute in float32. onnxruntime-node computes on the processor, and needs no script of its package run at "
        "installation; onnxruntime-web computes in WebAssembly with one thread. The int8 "
        "figures are of a processor with VNNI: without it onnxruntime-node overflows, where ONNX Runtime in Python has "
        "a session entry ([int8.md](int8.md#processors)).",
        "",
    ]
    return "\n".join(lines)


def cell(figures: Mapping[str, Any]) -> str:
    """Return one cell of the table in words."""
    if "error" in figures:
        return f"fails: {figures['error'].replace('|', '/')}"
    difference = f"{figures['difference']:.1e}" if figures["difference"] else "0"
    return f"{difference}, {100 * figures['agreement']:.1f} %"
