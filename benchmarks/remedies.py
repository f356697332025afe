"""Part `remedies`: where the time of a folded DiracNet and of its ResNet goes, and what was tried to set them apart.

Each remedy is given to both sides alike. Speeds say why two of the bars cannot be met by a runtime that computes
convolutions directly: see `profile`.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.nets import NETS, multiply_adds, pictures, write_onnx
from benchmarks.pairs import Case, all_paired
from benchmarks.runners import Call, onnx_runtime, options

ROUNDS = 40
PAIRS = (("DiracNet-18", "ResNet-18"), ("DiracNet-34", "ResNet-34"))
_PROFILED = 40


def _spinning(chosen: onnxruntime.SessionOptions) -> None:
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "1")
    chosen.add_session_config_entry("session.force_spinning_stop", "1")


def _pinned(chosen: onnxruntime.SessionOptions) -> None:
    # The calling thread is the other one of two.
    chosen.add_session_config_entry("session.intra_op_thread_affinities", "2")


def _one_thread(chosen: onnxruntime.SessionOptions) -> None:
    chosen.intra_op_num_threads = 1


def _plain_layout(chosen: onnxruntime.SessionOptions) -> None:
    chosen.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED


REMEDIES: Mapping[str, Callable[[onnxruntime.SessionOptions], None]] = {
    "threads that spin until the run ends": _spinning,
    "the second thread pinned to the second processor": _pinned,
    "one thread": _one_thread,
    "NCHW in place of the blocked layout": _plain_layout,
}
"""What was tried → how it changes the settings that the bars are measured with."""


def measure(tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the profiles by net, and the ratios by remedy and pair."""
    with TemporaryDirectory() as folder:
        files = {}
        for name in (name for pair in PAIRS for name in pair):
            files[name] = Path(folder, f"{name}.onnx")
            write_onnx(NETS[name].build(), files[name])
        tell("profiles")
        profiles = profile(files)
        ratios = all_paired(cases(files), tell)
    return {"profiles": profiles, "ratios": ratios}


def cases(files: Mapping[str, Path]) -> Iterator[Case]:
    """Yield each remedy for each pair, given the nets' files by name, and another way of computing a layer."""
    for remedy, change in REMEDIES.items():
        for first, second in PAIRS:
            one, other = (_changed(files[name], change) for name in (first, second))
            yield Case(f"{first} / {second}, {remedy}", one, other, ROUNDS)
    yield winograd()


def _changed(file: Path, change: Callable[[onnxruntime.SessionOptions], None]) -> Call:
    chosen = options()
    change(chosen)
    session = onnxruntime.InferenceSession(str(file), chosen, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: pictures(1)}
    return lambda: session.run(None, feed)


def profile(files: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Return of each net milliseconds in ONNX Runtime's kernels, by operator and together, and in 3×3 convolutions.

    A convolution's ReLU and the sum of a residual block are computed by its kernel. The nets run in turn.
    """
    sessions = {}
    for name, file in files.items():
        chosen = options()
        chosen.enable_profiling = True
        chosen.profile_file_prefix = str(file.with_suffix(""))
        sessions[name] = onnxruntime.InferenceSession(str(file), chosen, providers=["CPUExecutionProvider"])
    for _ in range(_PROFILED):
        for session in sessions.values():
            session.run(None, {session.get_inputs()[0].name: pictures(1)})
    return {
        name: {"multiply_adds": multiply_adds(NETS[name].build()), **_kernels(Path(session.end_profiling()))}
        for name, session in sessions.items()
    }


def _kernels(log: Path) -> dict[str, Any]:
    """Return what a profile says: medians over the runs, summed over the nodes."""
    nodes: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, str] = {}
    threes: dict[str, int] = {}
    for event in json.loads(log.read_text(encoding="utf-8")):
        if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time"):
            continue
        node, details = event["name"], event["args"]
        nodes[node].append(event["dur"] / 1000)
        kinds[node] = details["op_name"]
        shapes = [next(iter(shape.values())) for shape in details["input_type_shape"]]
        if kinds[node] == "Conv" and shapes[1][2:] == [3, 3]:
            (result,) = (next(iter(shape.values())) for shape in details["output_type_shape"])
            threes[node] = int(np.prod(shapes[1]) * np.prod(result[2:]))
    medians = {node: statistics.median(times) for node, times in nodes.items()}
    operators: dict[str, float] = defaultdict(float)
    for node, median in medians.items():
        operators[kinds[node]] += median
    return {
        "operators_ms": dict(operators),
        "kernels_ms": sum(medians.values()),
        "in_3x3": sum(threes.values()),
        "in_3x3_ms": sum(medians[node] for node in threes),
    }


def winograd(channels: int = 256, size: int = 14) -> Case:
    """A convolution of DiracNet's middle, written with 16 products in place of 36, against the convolution."""
    kernel = np.random.default_rng(0).standard_normal((channels, channels, 3, 3), dtype=np.float32)
    given = np.random.default_rng(1).standard_normal((1, channels, size, size), dtype=np.float32)
    one, other = (onnx_runtime(graph.SerializeToString(), given) for graph in _winograd_graphs(kernel, size))
    return Case(
        f"3×3 convolution, {channels} channels, {size} px: as Winograd's matrix products / as Conv", one, other, 200
    )


def _winograd_graphs(kernel: np.ndarray[Any, Any], size: int) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return F(2×2, 3×3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308).

    Its transforms of input and output are a convolution over single channels and a matrix product, so that all of it
    runs in kernels that ONNX Runtime has; the kernel is transformed beforehand.
    """
    out, channels = kernel.shape[:2]
    half = size // 2
    inputs = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], dtype=np.float32)
    kernels = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], dtype=np.float32)
    outputs = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], dtype=np.float32)
    constants = {
        "tiles": np.einsum("ia,jb->ijab", inputs, inputs).reshape(16, 1, 4, 4),
        "kernels": np.einsum("ia,jb,ocab->ijoc", kernels, kernels, kernel).reshape(16, out, channels),
        "outputs": np.einsum("ia,jb->ijab", outputs, outputs).reshape(4, 16),
        "kernel": kernel,
        "single": np.array([channels, 1, size, size]),
        "rows": np.array([channels, 16, half * half]),
        "flat": np.array([16, out * half * half]),
        "blocks": np.array([2, 2, out, half, half]),
        "picture": np.array([1, out, size, size]),
    }
    products = [
        helper.make_node("Reshape", ["x", "single"], ["a"]),
        helper.make_node("Conv", ["a", "tiles"], ["b"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", ["b", "rows"], ["c"]),
        helper.make_node("Transpose", ["c"], ["d"], perm=[1, 0, 2]),
        helper.make_node("MatMul", ["kernels", "d"], ["e"]),
        helper.make_node("Reshape", ["e", "flat"], ["f"]),
        helper.make_node("MatMul", ["outputs", "f"], ["g"]),
        helper.make_node("Reshape", ["g", "blocks"], ["h"]),
        helper.make_node("Transpose", ["h"], ["i"], perm=[2, 3, 0, 4, 1]),
        helper.make_node("Reshape", ["i", "picture"], ["y"]),
    ]
    direct = [helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[1, 1, 1, 1])]
    graphs = []
    for nodes in (products, direct):
        used = {name for node in nodes for name in node.input}
        ends = ([1, channels, size, size], [1, out, size, size])
        x, y = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in zip("xy", ends, strict=True)
        )
        tensors = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
        graph = helper.make_graph(nodes, "convolution", [x], [y], tensors)
        graphs.append(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9))
    return graphs[0], graphs[1]
