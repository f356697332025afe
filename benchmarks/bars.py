"""Part `bars`: the upper limits on timing ratios that this project sets itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from benchmarks import exporting, runners, training
from benchmarks.nets import NETS, multiply_adds, pictures, write_onnx
from benchmarks.pairs import Case, paired
from export.int8.graph import quantize
from export.int8.source import quantize_on_noise
from zoo.reference import open_model

ROUNDS = 100
_SIDE = 1024


@dataclass(frozen=True)
class Bar:
    """A ratio and the value that it should not exceed.

    Args:
        limit: the largest median allowed.
        case: makes the two calls, given a folder for files.
    """

    limit: float
    case: Callable[[Path], Case]


def _nets(first: str, second: str) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        one, other = (runners.onnx_runtime(_graph(name, folder), pictures(1)) for name in (first, second))
        return Case(f"{first} / {second}, fp32", one, other, ROUNDS)

    return case


def _graph(name: str, folder: Path) -> Path:
    path = folder / f"{name}.onnx"
    write_onnx(NETS[name].build(), path)
    return path


def _int8(folder: Path) -> Case:
    single = _graph("DiracNet-18", folder)
    record = quantize_on_noise(open_model("diracnet18")[0])
    whole = quantize(onnx.load(single), record).SerializeToString()
    one, other = runners.onnx_runtime(whole, pictures(1)), runners.onnx_runtime(single, pictures(1))
    return Case("DiracNet-18: int8 / fp32", one, other, ROUNDS)


def _product(folder: Path) -> Case:
    net = NETS["DiracNet-18"].build()
    return Case(
        "DiracNet-18, fp32 / its multiply-adds as one matrix product",
        runners.onnx_runtime(_graph("DiracNet-18", folder), pictures(1)),
        matrix_product(net),
        ROUNDS,
    )


def matrix_product(net: nn.Module) -> runners.Call:
    """Return a call that does the multiply-adds of one picture as a single matrix product in ONNX Runtime.

    The product is (rows, 1024) · (1024, 1024). The second factor is constant, so that it is packed
    beforehand like weights.
    """
    rows = round(multiply_adds(net) / _SIDE**2)
    second = np.random.default_rng(0).standard_normal((_SIDE, _SIDE), dtype=np.float32)
    shapes = {"first": [rows, _SIDE], "product": [rows, _SIDE]}
    first, product = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    node = helper.make_node("MatMul", ["first", "second"], ["product"])
    graph = helper.make_graph([node], "product", [first], [product], [onnx.numpy_helper.from_array(second, "second")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    given = np.random.default_rng(1).standard_normal((rows, _SIDE), dtype=np.float32)
    return runners.onnx_runtime(model.SerializeToString(), given)


BARS = (
    Bar(0.95, _nets("DiracNet-18", "ResNet-18")),
    Bar(0.92, _nets("DiracNet-34", "ResNet-34")),
    Bar(0.45, _int8),
    Bar(1.15, _product),
    Bar(1.02, lambda folder: training.dirac_step()),
    Bar(0.3, exporting.emission),
)


def measure(tell: Callable[[str], None]) -> dict[str, Any]:
    """Return each bar with the ratio measured."""
    found = []
    for bar in BARS:
        with TemporaryDirectory() as folder:
            case = bar.case(Path(folder))
            tell(case.name)
            result = paired(case)
        found.append({**asdict(result), "bar": bar.limit})
    return {"bars": found}
