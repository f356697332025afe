"""The int8 graph: that runtimes compute it in int8, and that they compute what the record says, to the last bit."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from export import emit, fold
from export.formats.table import FORMATS
from export.graphs.emit import OPERATORS
from export.int8.calibration import BEST, PLAIN, calibrate
from export.int8.graph import quantize
from export.int8.layers import layers
from export.int8.record import QParams, Quantization
from export.int8.reference import evaluate_integers, rounding_deviation
from export.proof.graph import Case, check_graph, floating, integral
from export.runtime.sessions import session_options
from zoo import DiracNet, Spec, build_from
from zoo.preprocessing import CIFAR
from zoo.reference import open_model

SPECS = [
    Spec(depth=10, width=0.25, family="cifar"),
    Spec(depth=10, width=0.25, family="cifar", version=1),
    Spec(depth=18, width=1 / 16, num_classes=7),
    Spec(depth=18, width=1 / 16, version=1, num_classes=7, final_relu=False),
]
every_spec = pytest.mark.parametrize(
    "spec",
    [*SPECS[:2], *(pytest.param(spec, marks=pytest.mark.slow) for spec in SPECS[2:])],
    ids=lambda spec: spec.name,
)
LEVELS = {
    "optimised": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "not optimised": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
WHOLE = {"NhwcMaxPool", "QLinearConv", "QLinearGlobalAveragePool", "QGemm"}
"""What ONNX Runtime computes in int8 in a net of version 2."""
MOVES = {"Flatten", "QuantizeLinear", "Transpose"}
"""What it does beside: it quantizes the input, and channels last and first again."""


@pytest.fixture
def folded(spec: Spec, randomised: Callable) -> nn.Sequential:
    torch.manual_seed(0)
    return fold(randomised(DiracNet(spec)))


def batch(spec: Spec, count: int = 4, height: int = 0, width: int = 0, seed: int = 0) -> torch.Tensor:
    """Return an input of large patches, which a net tells apart."""
    height, width = height or 2 * spec.min_size + 8, width or 2 * spec.min_size + 8
    cells = torch.randint(0, 256, (count, 3, 4, 4), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    patches = cells.repeat_interleave(-(-height // 4), 2).repeat_interleave(-(-width // 4), 3)
    return CIFAR.normalize(patches[:, :, :height, :width])


def record_of(net: nn.Sequential, spec: Spec, method: object = BEST) -> Quantization:
    pixels = batch(spec, 8, seed=1) * torch.tensor(CIFAR.std).reshape(3, 1, 1) + torch.tensor(CIFAR.mean).reshape(
        3, 1, 1
    )
    return calibrate(net, (pixels * 255).round().to(torch.uint8).permute(0, 2, 3, 1), CIFAR, method=method)


def session(model: onnx.ModelProto, level: str = "optimised", out: Path | None = None) -> onnxruntime.InferenceSession:
    options = session_options()
    options.graph_optimization_level = LEVELS[level]
    options.log_severity_level = 3  # that an optimised file suits this machine alone is known
    if out is not None:
        options.optimized_model_filepath = str(out)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def ran(model: onnx.ModelProto, values: torch.Tensor, level: str = "optimised") -> list[np.ndarray]:
    return session(model, level).run(None, {"pixel_values": values.numpy()})


def error(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@every_spec
def test_nothing_is_left_in_float(spec: Spec, folded: nn.Sequential, tmp_path: Path) -> None:
    session(quantize(emit(folded), record_of(folded, spec, PLAIN)), out=tmp_path / "optimised.onnx")
    found = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert found["QLinearConv"] == len(layers(folded)) - 1 and found["QGemm"] == 1 and found["QuantizeLinear"] == 1
    # In version 1 NCReLUs are computed in int8 too.
    ncrelu = {"QLinearLeakyRelu", "QLinearConcat"} if spec.version == 1 else set()
    assert set(found) <= WHOLE | MOVES | ncrelu
    assert found["Transpose"] <= 2


@every_spec
@pytest.mark.parametrize("features", [(), ("group1", "avg_pool", "view")], ids=["logits", "features"])
def test_every_runtime_computes_the_same_integers(spec: Spec, folded: nn.Sequential, features: tuple[str, ...]) -> None:
    record = record_of(folded, spec)
    model = quantize(emit(folded, features=features), record)
    reference = ReferenceEvaluator(model)
    for count, height, width in ((1, 0, 0), (5, 0, 0), (2, 2 * spec.min_size + 7, 3 * spec.min_size + 10)):
        values = batch(spec, count, height, width)
        expected = integral(folded, record).results(values, features)
        for found in (
            ran(model, values),
            ran(model, values, "not optimised"),
            reference.run(None, {"pixel_values": values.numpy()}),
        ):
            assert all(error(*pair) < 1e-2 for pair in zip(found, expected, strict=True))
        # A sum that falls between two numbers may be rounded the other way in float; most do not.
        assert error(ran(model, values)[0], expected[0]) < 1e-3


def convolve(codes: np.ndarray, layer: object, module: nn.Conv2d) -> np.ndarray:
    """Convolve integers in int64, window by window."""
    (top, left), (down, across), weight = module.padding, module.stride, layer.weight.astype(np.int64)
    padded = np.pad(codes, ((0, 0), (0, 0), (top, top), (left, left)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], (2, 3))[:, :, ::down, ::across]
    return np.einsum("nchwij,ocij->nohw", windows, weight) + layer.bias[:, None, None]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("spec", [SPECS[0], SPECS[2]], ids=lambda spec: spec.name)
def test_each_layer_lies_within_a_step_of_integer_arithmetic(spec: Spec, folded: nn.Sequential, level: str) -> None:
    """Each gets the quantized values that the runtime itself computed before it, so that errors do not add up."""
    record = record_of(folded, spec)
    model = quantize(emit(folded), record)
    codes = [name for node in model.graph.node if node.op_type == "QuantizeLinear" for name in node.output]
    model.graph.output.extend(helper_value(name) for name in codes)
    found = dict(zip(codes, ran(model, batch(spec), level)[1:], strict=True))
    nodes = {node.output[0]: node for node in model.graph.node}
    compared = differing = 0
    for layer in layers(folded)[:-1]:
        source = nodes[nodes[layer.name].input[0]].input[0]  # the quantized values in front of the layer
        before, after = record.activations[source_of(source, record)], record.activations[layer.name]
        sums = convolve(found[source].astype(np.int64) - before.zero_point, record.layers[layer.name], layer.module)
        factor = record.layers[layer.name].scale.astype(np.float64) * before.scale / after.scale
        exact = np.clip(sums * factor[:, None, None] + after.zero_point, 0, 255)
        difference = np.abs(found[f"{layer.name}.codes"] - exact)
        assert difference.max() <= 0.51, layer.name  # the nearest integer
        compared, differing = compared + exact.size, differing + int((difference > 0.5).sum())
    assert compared > 1000 and differing <= 0.001 * compared


def helper_value(name: str) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, TensorProto.UINT8, None)


def source_of(codes: str, record: Quantization) -> str:
    """Return the activation whose parameters quantized values have: a layer itself, or that before the pools."""
    name = codes.removesuffix(".codes")
    if name in record.activations:
        return name
    index = int(name.removeprefix("max_pool"))
    convs = list(record.activations)
    return "conv" if index == 0 else [name for name in convs if name.startswith(f"group{index - 1}.")][-1]


@every_spec
def test_int8_is_near_float(spec: Spec, folded: nn.Sequential) -> None:
    values = batch(spec)
    expected = floating(folded).results(values, ("group1",))
    for method, limit in ((PLAIN, 0.2), (BEST, 0.05)):
        model = quantize(emit(folded, features=["group1"]), record_of(folded, spec, method))
        logits, feature = ran(model, values)
        assert error(logits, expected[0]) < limit
        assert np.linalg.norm(feature - expected[1]) < limit * np.linalg.norm(expected[1])


@every_spec
def test_the_float32_graph_stays_and_the_signature_too(spec: Spec, folded: nn.Sequential) -> None:
    whole, record = emit(folded, {"a": 1}, ["group1"]), record_of(folded, spec, PLAIN)
    before = whole.SerializeToString(deterministic=True)
    model = quantize(whole, record)
    assert whole.SerializeToString(deterministic=True) == before
    assert model.SerializeToString(deterministic=True) == quantize(whole, record).SerializeToString(deterministic=True)
    onnx.checker.check_model(model, full_check=True)
    assert list(model.graph.input) == list(whole.graph.input) and list(model.graph.output) == list(whole.graph.output)
    assert model.metadata_props == whole.metadata_props and model.opset_import == whole.opset_import
    names = [node.name for node in model.graph.node]
    assert (
        len(set(names)) == len(names)
        and {node.op_type for node in model.graph.node} <= OPERATORS | FORMATS["int8"].operators
    )
    kinds = {t.name: t.data_type for t in model.graph.initializer if t.name.endswith((".weight", ".bias"))}
    assert kinds == {
        f"{name}.{part}": kind
        for name in record.layers
        for part, kind in (("weight", TensorProto.INT8), ("bias", TensorProto.INT32))
    }
    # Per channel, static: the scales are constants.
    scales = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer if t.name.endswith(".weight.step")}
    assert all(np.array_equal(scales[f"{name}.weight.step"], layer.scale) for name, layer in record.layers.items())


def test_a_v2_graph_has_no_relu_left(randomised: Callable) -> None:
    net = fold(randomised(DiracNet(SPECS[0])))
    record = record_of(net, SPECS[0], PLAIN)
    operators = Counter(node.op_type for node in quantize(emit(net), record).graph.node)
    assert operators["Relu"] == 0 and operators["Conv"] == len(record.layers) - 1
    assert all(qparams.zero_point == 0 for name, qparams in record.activations.items() if name != "pixel_values")
    # Where an activation can be negative, the ReLU is there and does its work.
    activations = {
        **record.activations,
        "group0.block0.conv": QParams(record.activations["group0.block0.conv"].scale * 2, 100),
    }
    with_negatives = replace(record, activations=activations)
    model = quantize(emit(net), with_negatives)
    assert Counter(node.op_type for node in model.graph.node)["Relu"] == 1
    values = batch(SPECS[0])
    expected = evaluate_integers(net, with_negatives, values)["fc"].numpy()
    assert error(ran(model, values)[0], expected) < 1e-2
    assert error(ran(model, values)[0], floating(net).results(values)[0]) < 0.2


def test_a_record_of_another_net_is_named(randomised: Callable) -> None:
    net, narrow = (fold(randomised(DiracNet(replace(SPECS[0], num_classes=n)))) for n in (10, 3))
    record = record_of(net, SPECS[0], PLAIN)
    with pytest.raises(ValueError, match=r"no weights of shape \(3, 16\) for fc; it is that of another net"):
        quantize(emit(narrow), record)
    lacking = replace(record, activations={name: q for name, q in record.activations.items() if name != "avg_pool"})
    with pytest.raises(ValueError, match="no parameters for the output of avg_pool"):
        quantize(emit(net), lacking)


def test_the_shipped_net_is_computed_in_integers_bit_by_bit() -> None:
    checkpoint, _ = open_model("diracnet16_cifar:cifar10")
    net = fold(build_from(checkpoint))
    spec = checkpoint.spec
    record = record_of(net, spec, PLAIN)
    values = batch(spec, 8, 32, 32)
    expected = evaluate_integers(net, record, values)["fc"].numpy()
    assert error(ran(quantize(emit(net), record), values)[0], expected) <= 1e-6


def test_features_that_are_a_step_too_high_or_too_low_move_a_logit_by_the_deviation() -> None:
    net = fold(build_from(open_model("diracnet16_cifar:cifar10")[0]))
    record = record_of(net, SPECS[0], PLAIN)
    layer, step = record.layers["fc"], record.activations["avg_pool"].scale
    flips = torch.randint(2, (4000, layer.weight.shape[1]), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    weights = torch.from_numpy(layer.weight * layer.scale[:, None]).float()
    moved = (flips * step) @ weights.T
    assert rounding_deviation(net, record) == pytest.approx(moved.std(dim=0).max().item(), rel=0.03)


@pytest.mark.parametrize("name", ["group1.block0.conv", "fc"])
def test_the_first_wrong_layer_is_named_in_spite_of_gains(name: str, randomised: Callable, tmp_path: Path) -> None:
    net = fold(randomised(DiracNet(SPECS[0])))
    record, values = record_of(net, SPECS[0]), batch(SPECS[0])
    assert any((layer.gain != 1).any() for layer in record.layers.values())
    layer = record.layers[name]
    altered = {**record.layers, name: replace(layer, weight=np.flip(layer.weight, 0).copy())}
    arithmetic = integral(net, record)
    case = Case("a batch", values, values.numpy(), arithmetic.results(values), 2e-2, "integer arithmetic")
    for layers_, failing in ((record.layers, False), (altered, True)):
        onnx.save(quantize(emit(net), replace(record, layers=layers_)), tmp_path / "graph.onnx")
        checks = list(check_graph(tmp_path / "graph.onnx", "int8", FORMATS["int8"].operators, arithmetic, [case]))
        compared = [check for check in checks if "integer arithmetic" in check.name]
        assert len(compared) == 3
        for check in compared:
            assert check.passed != failing and check.note == (f"first wrong layer {name}" if failing else "")
