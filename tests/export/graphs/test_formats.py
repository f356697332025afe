"""The forms of a graph: float16, raw pictures, inner features; each from the float32 graph, which stays as it was."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

import zoo
from export import Check, VerificationError, emit, export_bundle, fold, verify
from export.bundle.description import describe
from export.bundle.reader import OpenBundle
from export.cards.note import FormatNote
from export.folding.folded import FoldedNet
from export.formats.format import Format, Run, Source
from export.formats.names import NAMES, choose_formats
from export.formats.table import FORMATS
from export.graphs.emit import OPERATORS
from export.graphs.half import OPERATORS as HALF_OPERATORS
from export.graphs.half import to_half
from export.graphs.pictures import OPERATORS as PICTURE_OPERATORS
from export.graphs.pictures import take_pictures
from export.int8.calibration import PLAIN, calibrate
from export.int8.record import Quantization
from export.layout import GRAPHS
from export.proof.graph import floating
from pixels.mosaics import mosaics
from zoo import Checkpoint, DiracNet, Preprocessing, Spec
from zoo.preprocessing import CIFAR

SPECS = [
    Spec(depth=10, width=0.25, family="cifar"),
    Spec(depth=10, width=0.25, family="cifar", version=1),
    Spec(depth=18, width=1 / 16, num_classes=7, in_channels=1),
]
every_spec = pytest.mark.parametrize(
    "spec",
    [*SPECS[:2], *(pytest.param(spec, marks=pytest.mark.slow) for spec in SPECS[2:])],
    ids=lambda spec: spec.name,
)
GREY = Preprocessing(resize=40, size=40, interpolation="bicubic", mean=(0.3,), std=(0.4,))


@pytest.fixture
def folded(spec: Spec, randomised: Callable) -> nn.Sequential:
    torch.manual_seed(0)
    return fold(randomised(DiracNet(spec)))


def run(model: onnx.ModelProto, feed: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {model.graph.input[0].name: feed})


def error(expected: np.ndarray, found: np.ndarray) -> float:
    assert expected.shape == found.shape and expected.dtype == found.dtype
    return np.abs(expected - found).max() / np.abs(expected).max()


def batch(spec: Spec, count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, spec.in_channels, 33, 40, generator=generator)


def record(folded: nn.Sequential, preprocessing: Preprocessing) -> Quantization:
    noise = torch.from_numpy(mosaics(preprocessing.size, len(preprocessing.mean), (1, 4)))
    return calibrate(folded, noise, preprocessing, method=PLAIN)


def source(folded: nn.Sequential, spec: Spec, preprocessing: Preprocessing, features: list[str]) -> Source:
    checkpoint = Checkpoint(
        form="folded", spec=spec, tag="mine", preprocessing=preprocessing, state=folded.state_dict()
    )
    description = describe(checkpoint, None, features)
    return Source(FoldedNet(checkpoint, folded), "0", description, record(folded, preprocessing))


def signature(model: onnx.ModelProto) -> list[tuple]:
    return [
        (v.name, v.type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim])
        for v in (*model.graph.input, *model.graph.output)
    ]


def test_every_format_has_its_own_files_where_the_runtime_looks_for_them() -> None:
    assert tuple(FORMATS) == NAMES and next(iter(FORMATS)) == "fp32"
    assert all(FORMATS[name].files() == (graph.path, graph.pictures) for name, graph in GRAPHS.items())
    paths = [path for row in FORMATS.values() for path in row.files("diracnet10_cifar")]
    assert len(set(paths)) == len(paths)


def test_formats_are_chosen_by_name_in_the_order_of_the_table() -> None:
    assert choose_formats(["all"]) == NAMES == tuple(FORMATS) == choose_formats([*reversed(FORMATS)])
    assert choose_formats(["fp16"]) == choose_formats(["fp16", "fp32", "fp16"]) == ("fp32", "fp16")
    for names in (["fp8"], ["fp32", ""], [""], ["FP16"]):
        with pytest.raises(ValueError, match=r"is unknown; allowed are fp32, fp16.*, all$"):
            choose_formats(names)


@every_spec
@pytest.mark.parametrize("features", [(), ("group1", "avg_pool")])
def test_float16_inside_and_float32_outside(spec: Spec, folded: nn.Sequential, features: tuple[str, ...]) -> None:
    whole = emit(folded, {"a": 1}, features)
    before = whole.SerializeToString(deterministic=True)
    half = to_half(whole)
    assert whole.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(half, full_check=True)
    assert signature(half) == signature(whole) and half.metadata_props == whole.metadata_props
    assert {tensor.data_type for tensor in half.graph.initializer} == {TensorProto.FLOAT16}
    operators = [node.op_type for node in half.graph.node]
    assert operators.count("Cast") == 2 + len(features) and set(operators) <= OPERATORS | HALF_OPERATORS
    assert "Gemm" not in operators  # tract refuses it in float16
    expected = floating(folded).results(batch(spec), features)
    exact = ReferenceEvaluator(half).run(None, {"pixel_values": batch(spec).numpy()})
    for outputs in (run(half, batch(spec).numpy()), exact):
        assert error(expected[0], outputs[0]) < 5e-3
        assert all(error(*pair) < 2e-2 for pair in zip(expected, outputs, strict=True))
    assert half.ByteSize() < 0.6 * whole.ByteSize() or whole.ByteSize() < 40_000


def test_float16_rounds_to_nearest_and_refuses_what_it_cannot_hold() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
    with torch.no_grad():
        net[0].weight.fill_(1 + 2**-11 + 2**-20)
    (tensor, *_) = to_half(emit(net)).graph.initializer
    assert numpy_helper.to_array(tensor).item() == 1 + 2**-10
    for value in (65600.0, float("inf")):
        with torch.no_grad():
            net[0].weight.fill_(value)
        with pytest.raises(ValueError, match=r"^0\.weight holds .*, and float16 ends at 65504"):
            to_half(emit(net))


@pytest.mark.parametrize(
    ("spec", "preprocessing"), [(SPECS[0], CIFAR), (SPECS[1], CIFAR), (SPECS[2], GREY)], ids=["v2", "v1", "grey"]
)
@pytest.mark.parametrize("form", GRAPHS)
def test_pictures_give_what_pytorchs_preprocessing_gives(
    spec: Spec, preprocessing: Preprocessing, form: str, folded: nn.Sequential
) -> None:
    tensors = FORMATS[form].transform(source(folded, spec, preprocessing, ["group1"]))
    before = tensors.SerializeToString(deterministic=True)
    model = take_pictures(tensors, preprocessing)
    assert tensors.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(model, full_check=True)
    size, channels = preprocessing.size, spec.in_channels
    assert signature(model)[0] == ("pictures", TensorProto.UINT8, ["batch", size, size, channels])
    assert signature(model)[1:] == signature(tensors)[1:] and model.metadata_props == tensors.metadata_props
    added = {node.op_type for node in model.graph.node[: -len(tensors.graph.node)]}
    assert added == PICTURE_OPERATORS
    for count in (1, 4):
        pictures = np.random.default_rng(count).integers(0, 256, (count, size, size, channels), np.uint8)
        pixel_values = preprocessing.normalize(torch.from_numpy(pictures).permute(0, 3, 1, 2)).numpy()
        for one, other in zip(run(tensors, pixel_values), run(model, pictures), strict=True):
            # In int8 a pixel between two codes may go to the other one, if float32 sums differ in the last bit.
            assert error(one, other) < (1e-2 if form == "int8" else 1e-5)


def test_the_normalized_pictures_have_pytorchs_very_bits() -> None:
    """All 256 values in all channels, by the operators of the graph alone."""
    net = nn.Sequential(nn.Conv2d(3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
    preprocessing = Preprocessing(resize=16, size=16, interpolation="bilinear", mean=CIFAR.mean, std=CIFAR.std)
    model = take_pictures(emit(net), preprocessing)
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, None))
    pictures = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    (found,) = ReferenceEvaluator(model).run(["pixel_values"], {"pictures": pictures})
    np.testing.assert_array_equal(found, preprocessing.normalize(torch.from_numpy(pictures).permute(0, 3, 1, 2)))


@every_spec
def test_every_feature_is_what_the_module_of_that_name_gives(spec: Spec, folded: nn.Sequential) -> None:
    names = [name for name, _ in folded.named_modules() if name and name != "fc" and not name.endswith("ncrelu")]
    for name in names:
        kept: list[torch.Tensor] = []
        hook = folded.get_submodule(name).register_forward_hook(lambda m, a, output, kept=kept: kept.append(output))
        logits = folded(batch(spec))
        hook.remove()
        model = emit(folded, features=[name])
        onnx.checker.check_model(model, full_check=True)
        found = run(model, batch(spec).numpy())
        assert [value.name for value in model.graph.output] == ["logits", name]
        for one, other in zip((logits, kept[0]), found, strict=True):
            assert error(one.detach().numpy(), other) < 1e-5
        for dim, size in zip(signature(model)[2][2], found[1].shape, strict=True):
            assert dim == size or isinstance(dim, str)


@pytest.mark.parametrize("spec", SPECS[1:2], ids=["v1"])
def test_several_features_stand_in_the_order_asked_for(spec: Spec, folded: nn.Sequential) -> None:
    names = ["view", "group2", "group0.block0"]
    found = run(emit(folded, features=names), batch(spec).numpy())
    for one, other in zip(floating(folded).results(batch(spec), names), found, strict=True):
        assert error(one, other) < 1e-5


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["group9"], r"no feature 'group9'; its features are conv, .*group0, .*view; and inside these group0\.block0,"),
        (["fc"], "no feature 'fc'"),
        ([""], "no feature ''"),
        (["group0.block0.ncrelu"], r"no feature 'group0\.block0\.ncrelu'"),
        (["group1", "group1.block1.conv"], "two of them are the same output"),
        (["group1", "group1"], "two of them are the same output"),
    ],
)
def test_invalid_features_are_refused(features: list[str], message: str) -> None:
    net = zoo.get_model("diracnet10_v1_cifar", folded=True)
    with pytest.raises(ValueError, match=message):
        emit(net, features=features)


def test_a_new_format_is_a_class_and_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A format that is no graph: exported, checked, audited and described without another change."""

    class Shapes(Format):
        name = "shapes"

        def files(self, name: str) -> tuple[str, ...]:  # noqa: ARG002
            return ("shapes/shapes.txt",)

        def note(self, description: Mapping[str, Any], repository: str) -> FormatNote:  # noqa: ARG002
            return FormatNote({"shapes/shapes.txt": "the shapes of all weights"}, "no logits", (f"Read {repository}.",))

        def derive(self, source: Source) -> Iterator[tuple[str, bytes]]:
            text = "".join(f"{name} {tuple(t.shape)}\n" for name, t in sorted(source.folded.checkpoint.state.items()))
            yield "shapes/shapes.txt", text.encode()

        def check(self, bundle: OpenBundle) -> Iterator[Check]:
            lines = (bundle.folder / "shapes/shapes.txt").read_text().splitlines()
            yield Check("shapes: lines missing", len(bundle.folded.checkpoint.state) - len(lines), 0)

        def runs(self, folder: Path, preprocessing: Preprocessing) -> Iterator[tuple[str, Run]]:  # noqa: ARG002
            yield from ()

    monkeypatch.setitem(FORMATS, "shapes", Shapes())
    monkeypatch.setattr("export.formats.names.NAMES", (*NAMES, "shapes"))
    net = zoo.get_model("diracnet10_cifar").eval()
    export_bundle(Checkpoint.from_model(net, preprocessing=CIFAR), tmp_path / "b", formats=["shapes"])
    assert (tmp_path / "b/shapes/shapes.txt").read_text().startswith("conv.bias (16,)\nconv.weight (16, 3, 3, 3)")
    assert "shapes: lines missing" in {check.name for check in verify(tmp_path / "b")}
    card = (tmp_path / "b/README.md").read_text()
    assert "| `shapes/shapes.txt` | the shapes of all weights |" in card and "Read ORG/NAME." in card
    (tmp_path / "b/shapes/shapes.txt").write_text("")
    with pytest.raises(VerificationError, match=r"shapes/shapes\.txt is altered"):
        verify(tmp_path / "b")


def test_graphs_are_the_same_whichever_others_are_made() -> None:
    spec = SPECS[0]
    from_net = source(fold(DiracNet(spec).eval()), spec, CIFAR, ["group0"])
    made = {path: content for row in FORMATS.values() for path, content in row.derive(from_net)}
    assert list(made) == [path for row in FORMATS.values() for path in row.files(spec.name)]
    without = replace(from_net, quantization=None)
    assert all(made[path] == content for path, content in FORMATS["fp32"].derive(without))
    with pytest.raises(
        ValueError, match=r"int8 form follows from .* and onnx/quantization.safetensors, and the second"
    ):
        list(FORMATS["int8"].derive(without))
