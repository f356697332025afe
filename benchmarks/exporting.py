"""Part `exporting`: the cost of writing the files, compared with torch.onnx.export and timm's export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from torch import nn

import zoo
from benchmarks.nets import trace
from benchmarks.pairs import Case, all_paired
from benchmarks.process import Cost, cost, median
from export import emit, fold

ROUNDS = 3
_TRACE = """
import sys; from pathlib import Path
import zoo; from benchmarks.nets import trace; from export import fold
trace(fold(zoo.get_model("diracnet18").eval()), Path(sys.argv[1], "model.onnx"))
"""
_TIMM = """
import sys, timm
from timm.utils.onnx import onnx_export
onnx_export(timm.create_model("resnet18", exportable=True), sys.argv[1] + "/model.onnx", use_dynamo=True)
"""
PROCESSES: dict[str, list[str]] = {
    "diracnet export, fp32, with all proofs": ["-m", "export", "export", "diracnet18", "--formats", "fp32", "--out"],
    "diracnet export, all six graphs, with all proofs": [
        *("-m", "export", "export", "diracnet18", "--formats", "all", "--out")
    ],
    "torch.onnx.export of the folded DiracNet-18": ["-c", _TRACE],
    "timm's onnx_export of ResNet-18": ["-c", _TIMM],
}
"""Name → arguments of the interpreter, to which a folder for the output is appended."""


def measure(tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the median cost of each process, and the ratio of our writer alone to the tracer."""
    runs: dict[str, list[Cost]] = {name: [] for name in PROCESSES}
    for _ in range(ROUNDS):
        for name, arguments in PROCESSES.items():
            tell(name)
            with TemporaryDirectory() as folder:
                where = Path(folder, "bundle")
                if arguments[0] == "-c":
                    where.mkdir()
                runs[name].append(cost([*arguments, str(where)]))
    with TemporaryDirectory() as folder:
        ratios = all_paired([emission(Path(folder))], tell)
    return {"processes": {name: asdict(median(costs)) for name, costs in runs.items()}, "ratios": ratios}


def emission(folder: Path) -> Case:
    """Return our writer, which also folds, versus the tracer, in a process that has everything loaded."""
    net = zoo.get_model("diracnet18").eval()
    folded = fold(net)
    return Case(
        "ONNX of DiracNet-18: folded, emitted and written / torch.onnx.export of the folded net",
        lambda: (folder / "ours.onnx").write_bytes(emit(cast(nn.Sequential, fold(net))).SerializeToString()),
        lambda: trace(folded, folder / "theirs.onnx"),
        rounds=2 * ROUNDS,
    )
