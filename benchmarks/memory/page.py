"""docs/memory.md, from docs/memory.json and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import fill, table, versions

TEMPLATE = Path(__file__).with_suffix(".md")
PAIRS = (("DiracNet-18", "ResNet-18"), ("DiracNet-34", "ResNet-34"), ("diracnet22_cifar", "ResNet-20"))
"""Chain and residual net."""
COLUMNS = {"onnx": "ONNX Runtime", "onnx_arena": "ONNX Runtime, arena", "litert": "LiteRT"}


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result of `python -m benchmarks.memory`."""
    nets = result["nets"]
    imagenet = [pair for pair in PAIRS if not pair[0].endswith("cifar")]
    small = PAIRS[-1]
    values = {
        "result": result,
        "versions": versions(result),
        "table": table(["nets", "batch", *COLUMNS.values()], _rows(nets)),
        "imagenet": {column: _range(nets, imagenet, column) for column in COLUMNS},
        "small": {column: f"{_share(nets, small, '32', column):.2f}" for column in COLUMNS},
    }
    return fill(TEMPLATE, values)


def _rows(nets: Mapping[str, Any]) -> Iterator[list[str]]:
    for chain, residual in PAIRS:
        for batch in nets[chain]:
            cells = (
                f"{nets[chain][batch][column]:.1f} / {nets[residual][batch][column]:.1f} = "
                f"{_share(nets, (chain, residual), batch, column):.2f}"
                for column in COLUMNS
            )
            yield [f"{chain} / {residual}", batch, *cells]


def _share(nets: Mapping[str, Any], pair: tuple[str, str], batch: str, column: str) -> float:
    chain, residual = (nets[name][batch][column] for name in pair)
    return float(chain / residual)


def _range(nets: Mapping[str, Any], pairs: list[tuple[str, str]], column: str) -> str:
    """Return the smallest and the largest share of pairs, over all batches: "0.92 to 1.00"."""
    shares = sorted({f"{_share(nets, pair, batch, column):.2f}" for pair in pairs for batch in nets[pair[0]]})
    return shares[0] if len(shares) == 1 else f"{shares[0]} to {shares[-1]}"
