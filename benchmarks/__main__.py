"""`make bench`: run the comparisons and print their ratios, with the machine and the versions."""

from __future__ import annotations

from importlib.metadata import version

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.cases import cases
from benchmarks.pairs import paired
from zoo.training.environment import processor


def main() -> None:
    """Print a table."""
    console = Console()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime", "numpy"))
    console.print(f"{processor()}, {torch.get_num_threads()} threads; {packages}")
    table = Table("a / b", "median of a / b", "quartiles", "a, ms", "b, ms", "rounds")
    for case in cases():
        console.print(f"timing {case.name}")
        ratio = paired(case.name, case.first, case.second, rounds=case.rounds)
        table.add_row(
            ratio.name,
            f"{ratio.median:.2f}",
            f"{ratio.low:.2f} – {ratio.high:.2f}",
            f"{ratio.first_ms:.1f}",
            f"{ratio.second_ms:.1f}",
            str(ratio.rounds),
        )
    console.print(table)


if __name__ == "__main__":
    main()
