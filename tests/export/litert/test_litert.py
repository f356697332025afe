"""LiteRT models: read with the runtime's own schema, run by its kernels, and described as its readers expect."""

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn
from torch.nn import functional as F

from export.__main__ import main
from export.bundle.description import describe
from export.int8.record import QParams
from export.integer.net import lower
from export.litert.flatbuffer import Scalar, to_bytes
from export.litert.float32 import emit_float32
from export.litert.graph import Graph, Scales
from export.litert.int8 import emit_int8
from export.litert.interpreter import KERNELS, Interpreter
from export.litert.metadata import NAME, described
from export.proof.litert import OPERATORS
from zoo import Checkpoint
from zoo.preprocessing import CIFAR

EMIT = {
    "litert": lambda small: emit_float32(small.net, small.preprocessing),
    "litert-int8": lambda small: emit_int8(lower(small.net, small.record, small.preprocessing)),
}
both = pytest.mark.parametrize("emit", EMIT.values(), ids=EMIT)


@pytest.mark.parametrize("kernels", KERNELS)
def test_float32_computes_what_pytorch_computes(small_net, kernels: str) -> None:
    pictures = torch.from_numpy(small_net.pictures).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = small_net.net(small_net.preprocessing.normalize(pictures)).numpy()
    model = emit_float32(small_net.net, small_net.preprocessing).to_bytes()
    found = Interpreter(model, kernels).run(small_net.pictures.astype(np.float32) / 255)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


@both
def test_the_runtimes_own_schema_reads_it(small_net, emit: Callable) -> None:
    content = emit(small_net).to_bytes()
    assert content == emit(small_net).to_bytes() and schema.Model.ModelBufferHasIdentifier(content, 0)
    model = schema.Model.GetRootAs(content, 0)
    assert model.Version() == 3 and model.SubgraphsLength() == 1
    graph = model.Subgraphs(0)
    given, result = (graph.Tensors(index) for index in (graph.Inputs(0), graph.Outputs(0)))
    assert (given.Name(), result.Name()) == (b"pictures", b"logits")
    size, channels = small_net.preprocessing.size, small_net.spec.in_channels
    assert given.ShapeAsNumpy().tolist() == [1, size, size, channels]
    assert result.ShapeAsNumpy().tolist() == [1, small_net.spec.num_classes]
    assert model.SignatureDefs(0).SignatureKey() == b"serving_default"
    assert Interpreter(content, "reference").operators <= OPERATORS
    for index in range(1, model.BuffersLength()):
        data = model.Buffers(index).DataAsNumpy()
        start = np.frombuffer(content, np.uint8).ctypes.data
        assert (data.ctypes.data - start) % 16 == 0
    float_tensors = [t for i in range(graph.TensorsLength()) if (t := graph.Tensors(i)).Type() == 0]
    assert bool(float_tensors) == (given.Type() == 0)


def test_every_activation_and_filter_of_int8_has_its_scales(small_net) -> None:
    graph = schema.Model.GetRootAs(EMIT["litert-int8"](small_net).to_bytes(), 0).Subgraphs(0)
    tensors = {t.Name().decode(): t for i in range(graph.TensorsLength()) if (t := graph.Tensors(i))}
    for name, layer in small_net.record.layers.items():
        quantization = tensors[f"{name}.weight"].Quantization()
        np.testing.assert_array_equal(quantization.ScaleAsNumpy(), layer.scale)
        assert not quantization.ZeroPointAsNumpy().any() and quantization.QuantizedDimension() == 0
        assert tensors[f"{name}.bias"].Type() == schema.TensorType.INT32
        if name in small_net.record.activations:
            qparams = small_net.record.activations[name]
            quantization = tensors[name].Quantization()
            assert QParams(quantization.Scale(0), quantization.ZeroPoint(0) + 128) == qparams


@both
@pytest.mark.parametrize("labels", [(), ("cat", "dog", "Füchse")])
def test_metadata_name_the_classes_and_the_normalization(small_net, emit: Callable, labels: tuple[str, ...]) -> None:
    checkpoint = Checkpoint(
        form="folded", spec=small_net.spec, tag="mine", preprocessing=small_net.preprocessing, state={}
    )
    about = describe(checkpoint, None)
    content = described(emit(small_net), about, small_net.preprocessing, labels)
    assert content == described(emit(small_net), about, small_net.preprocessing, labels)
    model = schema.Model.GetRootAs(content, 0)
    stored = {
        (entry := model.Metadata(index)).Name().decode(): model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
        for index in range(model.MetadataLength())
    }
    assert json.loads(stored["diracnet"]) == json.loads(json.dumps(about))
    assert stored[NAME][4:8] == b"M001" and (b"labels.txt" in stored[NAME]) == bool(labels)
    assert small_net.spec.name.encode() in stored[NAME]
    if labels:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.namelist() == ["labels.txt"] and archive.read("labels.txt").decode().split() == [*labels]
    else:
        assert not zipfile.is_zipfile(io.BytesIO(content))
    channels = small_net.spec.in_channels
    picture = np.zeros((1, small_net.preprocessing.size, small_net.preprocessing.size, channels))
    kind = Interpreter(content).input["dtype"]
    assert Interpreter(content).run(picture.astype(kind)).shape == (1, small_net.spec.num_classes)


def test_a_flatbuffer_holds_what_is_in_the_tree() -> None:
    content = to_bytes({0: Scalar("Uint32", 3), 3: "folded", 4: [{}, {0: b"weights"}], 6: None}, b"TFL3")
    model = schema.Model.GetRootAs(content, 0)
    assert (model.Version(), model.Description(), model.BuffersLength()) == (3, b"folded", 2)
    assert model.Buffers(0).DataIsNone() and model.Buffers(1).DataAsNumpy().tobytes() == b"weights"
    assert model.MetadataIsNone()


def test_equal_trees_are_equal_bytes() -> None:
    """The digest of a file that holds every kind of field, two tables of one shape, and two that differ in size."""
    table = {0: Scalar("Uint32", 3), 2: "one"}
    kinds = {1: Scalar("Bool", True), 3: Scalar("Int8", -1), 4: Scalar("Uint8", 200), 6: np.arange(3, dtype=np.float64)}
    tree = {0: Scalar("Int32", -5), 1: [table, table, {0: Scalar("Uint8", 3), 2: "one"}], 3: kinds, 5: b"12345", 6: []}
    content = to_bytes(tree, b"TFL3")
    assert content.count(b"one\0") == 3 and content[4:8] == b"TFL3"
    assert content.index(b"12345") % 16 == 0 and content.index(np.arange(3.0).tobytes()) % 8 == 0
    assert hashlib.sha256(content).hexdigest()[:16] == "0cbada6070ada2ad"


def test_what_no_flatbuffer_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph("pictures", (1, 8, 8, 3), np.int8, Scales(np.ones(1, np.float32)))
    monkeypatch.setattr("export.litert.graph.LARGEST", 10)
    graph.convolution("conv", np.zeros((4, 3, 3, 3), np.int8), np.zeros(4, np.int32), padding=1)
    with pytest.raises(ValueError, match=r"the weights take 0\.0 GB, and a LiteRT file ends at 2\.1 GB"):
        graph.to_bytes()


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(1, 1, 0), (3, 1, 1), (3, 2, 1), (5, 1, 2), (5, 3, 1), (7, 2, 3)]
)
def test_strides_and_pads_are_pytorchs(kernel: int, stride: int, padding: int, size: int) -> None:
    """TensorFlow's own padding is uneven where strides leave a rest, so that converters shift pictures by a pixel."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.randn(1, 2, size, size, generator=generator) - 3  # below zero, where a pool must not see its pad
    weight, bias = torch.randn(4, 2, kernel, kernel, generator=generator), torch.randn(4, generator=generator)
    convolved, pooled = (Graph("pictures", (1, size, size, 2), np.float32) for _ in range(2))
    convolved.convolution("conv", weight.permute(0, 2, 3, 1).numpy(), bias.numpy(), stride=stride, padding=padding)
    pooled.max_pool("pool", kernel, stride, padding)
    for graph, expected in (
        (convolved, F.conv2d(picture, weight, bias, stride, padding)),
        (pooled, F.max_pool2d(picture, kernel, stride, padding)),
    ):
        found = Interpreter(graph.to_bytes(), "reference").run(picture.permute(0, 2, 3, 1).numpy())
        np.testing.assert_allclose(found, expected.permute(0, 2, 3, 1).numpy(), atol=1e-5)


def test_layers_that_are_not_square_are_refused() -> None:
    """LiteRT gives zeros for some of them, without a word (google-ai-edge/LiteRT#9256)."""
    for change in ({"stride": (2, 1)}, {"padding": (1, 0)}, {"dilation": 2}, {"padding_mode": "circular"}):
        first = nn.Conv2d(3, 4, 3, **{"padding": 1, **change})
        net = nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        with pytest.raises(ValueError, match=r"^0: Conv2d.* a folded net has square layers"):
            emit_float32(net, CIFAR)
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), pool, nn.ReLU(), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ValueError, match=r"MaxPool2d.* a folded net has square pools"):
        emit_float32(net.append(nn.Linear(4, 2)), CIFAR)


def test_where_litert_is_missing_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for module in ("ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    command = ["diracnet", "export", "diracnet10_cifar", "--formats", "litert", "--out", str(tmp_path / "bundle")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2 and not list(tmp_path.iterdir())
    assert "error: this needs ai_edge_litert: pip install 'diracnet-zoo[export]'" in capsys.readouterr().err
