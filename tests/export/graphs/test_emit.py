"""The ONNX graph: its operators, its bytes, and that it computes what PyTorch computes."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

import zoo
from export import emit, fold
from zoo import DiracNet, NCReLU, Spec, build_from, load_upstream
from zoo.reference import open_model

CHAIN = {"Conv", "Relu", "MaxPool", "GlobalAveragePool", "Flatten", "Gemm"}
SPECS = [
    Spec(depth=10, width=0.25, family="cifar", version=2),
    Spec(depth=10, width=0.25, family="cifar", version=1),
    Spec(depth=18, width=1 / 16, version=2, num_classes=7),
    Spec(depth=18, width=1 / 16, version=1, in_channels=1, num_classes=7, final_relu=False),
]
every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
RELATIVE = 1e-5


@pytest.fixture
def folded(spec: Spec, randomised: Callable) -> nn.Sequential:
    torch.manual_seed(0)
    return fold(randomised(DiracNet(spec)))


def run(model: onnx.ModelProto, pictures: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"pixel_values": pictures.numpy()})[0]


def assert_close(found: np.ndarray, expected: torch.Tensor, relative: float = RELATIVE) -> None:
    """Compare, relative to the largest logit, after making sure that the logits tell pictures apart."""
    expected = expected.detach().numpy()
    assert len(expected) == 1 or np.ptp(expected, axis=0).max() > 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * np.abs(expected).max())


@every_spec
def test_only_the_allowed_operators(spec: Spec, folded: nn.Sequential) -> None:
    model = emit(folded, {})
    onnx.checker.check_model(model, full_check=True)
    operators = [node.op_type for node in model.graph.node]
    blocks = sum(group.blocks for group in spec.groups)
    assert set(operators) == CHAIN | ({"Concat", "Neg"} if spec.version == 1 else set())
    assert operators.count("Conv") == 1 + blocks
    assert operators.count("Neg") == operators.count("Concat") == (blocks if spec.version == 1 else 0)


@every_spec
def test_signature(spec: Spec, folded: nn.Sequential) -> None:
    model = emit(folded, {})
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    (given,), (result,) = model.graph.input, model.graph.output
    shapes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (given, result)]
    assert (given.name, result.name) == ("pixel_values", "logits")
    assert shapes == [["batch", spec.in_channels, "height", "width"], ["batch", spec.num_classes]]
    assert {v.type.tensor_type.elem_type for v in (given, result)} == {onnx.TensorProto.FLOAT}


@every_spec
def test_logits_at_any_batch_and_size(spec: Spec, folded: nn.Sequential) -> None:
    model, smallest = emit(folded, {}), spec.min_size
    reference = ReferenceEvaluator(model)
    for batch, height, width in ((1, smallest, smallest), (2, smallest + 13, smallest + 6), (5, 33, 48)):
        pictures = torch.randn(batch, spec.in_channels, height, width, generator=torch.Generator().manual_seed(batch))
        expected = folded(pictures)
        assert_close(run(model, pictures), expected)
        assert_close(reference.run(None, {"pixel_values": pictures.numpy()})[0], expected)


@pytest.mark.parametrize("spec", SPECS[:2], ids=lambda spec: spec.name)
def test_the_graph_equals_that_of_torchs_exporter(folded: nn.Sequential) -> None:
    pictures = torch.randn(3, 3, 20, 23, generator=torch.Generator().manual_seed(0))
    oracle = torch.onnx.export(folded, (pictures,), input_names=["pixel_values"], dynamo=True, verbose=False)
    expected = torch.from_numpy(run(oracle.model_proto, pictures))
    assert_close(run(emit(folded, {}), pictures), expected)


@pytest.mark.parametrize("name", ["v1-cifar10-16-0.5", "v2-cifar10-16-0.5"])
def test_logits_of_the_original_code(root: Path, name: str) -> None:
    golden = torch.load(root / "tests" / "golden" / f"{name}.io.pth", weights_only=True)
    net = load_upstream(root / "tests" / "golden" / f"{name}.pth")
    assert_close(run(emit(fold(net), {}), golden["input"]), golden["logits"], relative=1e-4)


def test_every_attribute_is_written() -> None:
    """Strides, dilations, groups, paddings, absent biases: none of which a DiracNet's blocks use."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 6, (5, 3), stride=(2, 1), padding=(0, 2), bias=False),
        NCReLU(),
        nn.Identity(),
        nn.Conv2d(12, 4, 3, dilation=(1, 2)),
        nn.MaxPool2d((3, 2), stride=(1, 2), padding=(1, 0)),
        nn.Conv2d(4, 8, 3, groups=2),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(8, 5, bias=False),
    )
    pictures = torch.randn(4, 2, 24, 31)
    assert_close(run(emit(net, {}), pictures), net(pictures))


SCRIPT = """
import hashlib, sys
from export import emit, fold
from zoo import build_from
from zoo.reference import open_model
for name in sys.argv[1:]:
    model = emit(fold(build_from(open_model(name)[0])), {"labels": {"b": 1, "a": 2}, "set": sorted({"x", "y", "z"})})
    print(hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest())
"""


@pytest.mark.slow
def test_equal_bytes_in_another_process_and_folder(root: Path, tmp_path: Path) -> None:
    names = ["diracnet10_cifar", "diracnet10_v1_cifar"]
    metadata = {"set": ["x", "y", "z"], "labels": {"a": 2, "b": 1}}
    expected = []
    for name in names:
        net = fold(build_from(open_model(name)[0]))
        first, second = (emit(net, metadata).SerializeToString(deterministic=True) for _ in range(2))
        assert first == second
        expected.append(hashlib.sha256(first).hexdigest())
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", SCRIPT, *names]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected


@every_spec
def test_no_trace_of_the_machine(folded: nn.Sequential) -> None:
    metadata = {"name": "Zoë’s net", "labels": ["a", "b"]}
    model = emit(folded, metadata)
    assert {entry.key: json.loads(entry.value) for entry in model.metadata_props} == {"diracnet": metadata}
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        assert part.doc_string == ""
    for node in graph.node:
        assert not node.metadata_props
    for tensor in graph.initializer:
        assert tensor.data_location == onnx.TensorProto.DEFAULT and not tensor.external_data
        tensor.ClearField("raw_data")
    assert "/" not in str(model)


def test_weights_are_stored_once_in_float32() -> None:
    spec = SPECS[0]
    net = fold(DiracNet(spec).double().eval())
    tensors = emit(net, {}).graph.initializer
    assert {tensor.data_type for tensor in tensors} == {onnx.TensorProto.FLOAT}
    assert sum(np.prod(tensor.dims) for tensor in tensors) == sum(p.numel() for p in net.parameters())


FOREIGN = {
    "Sigmoid": nn.Sigmoid(),
    "BatchNorm2d": nn.BatchNorm2d(4),
    "Dropout": nn.Dropout(),
    "padding=same": nn.Conv2d(4, 4, 3, padding="same"),
    "padding_mode=circular": nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
    "ceil_mode=True": nn.MaxPool2d(2, ceil_mode=True),
    "output_size=2": nn.AdaptiveAvgPool2d(2),
    "start_dim=2": nn.Flatten(2),
}


@pytest.mark.parametrize("text", FOREIGN)
def test_a_foreign_module_is_named(text: str) -> None:
    body = nn.Sequential()
    body.add_module("odd", FOREIGN[text])
    net = nn.Sequential(nn.Conv2d(3, 4, 3), body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match=rf"^1\.odd: .*{text}.* has no place in the graph"):
        emit(net, {})


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Sequential(), "starts with a Conv2d"),
        (nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), "starts with a Conv2d"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), "ends with a Linear"),
        (DiracNet(SPECS[0]), "not a DiracNet; give what export.fold"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), NCReLU(), nn.Conv2d(8, 4, 3, groups=2), nn.Linear(8, 2)), "one group"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), NCReLU(), nn.MaxPool2d(2), nn.Linear(8, 2)),
            "^2: a convolution with one group must follow",
        ),
    ],
    ids=["empty", "no convolution", "no linear layer", "not folded", "NCReLU before groups", "NCReLU before a pool"],
)
def test_other_chains_are_refused(net: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        emit(net, {})


def test_what_no_onnx_file_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.graphs.emit.LARGEST", 1000)
    with pytest.raises(ValueError, match=r"the weights take 0\.0 GB, and an ONNX file ends at 2\.1 GB"):
        emit(fold(DiracNet(SPECS[0]).eval()))


def test_a_module_that_stands_twice_is_emitted_twice() -> None:
    act = nn.ReLU()
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), act, nn.Conv2d(4, 4, 3), act, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    assert [node.op_type for node in emit(net, {}).graph.node].count("Relu") == 2


@pytest.mark.parametrize(
    "conv", [zoo.DiracConv2d(3, 4, 3), zoo.dirac(nn.Conv2d(3, 4, 3))], ids=["layer", "parametrized"]
)
def test_layers_that_are_not_folded_are_refused(conv: nn.Module) -> None:
    net = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    with pytest.raises(ValueError, match=r"^0: .* has no place in the graph; a folded net"):
        emit(net, {})
