"""The checks of a bundle: that each notices what it is for, and that a failed one leaves nothing behind."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file, save_file

from export import Check, VerificationError, export_bundle
from export.__main__ import main
from export.bundle.contents import BUNDLE_FORMAT, derived_files
from export.bundle.parity import compare
from export.bundle.reader import OpenBundle
from export.formats.table import FORMATS
from export.layout import FOLDED, GOLDEN, GRAPH, GRAPHS, TRAINING_FORM
from export.proof.check import SHOWN, require
from export.proof.graph import FOREIGN, VALID
from zoo import Checkpoint

FOLDED_FILE = "training form in float64 / folded file"
GOLDEN_NET = "golden outputs / PyTorch"


def alter_graph(model: onnx.ModelProto, name: str = "fc.weight") -> onnx.ModelProto:
    """Add half of a layer's largest weight to one of its weights."""
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    array = numpy_helper.to_array(tensor).copy()
    array.flat[0] += 0.5 * np.abs(array).max()
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return model


def add_operator(model: onnx.ModelProto, operator: str = "Identity") -> onnx.ModelProto:
    """Put an operator behind the logits that leaves them as they are."""
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(onnx.helper.make_node(operator, ["before"], ["logits"], "odd"))
    return model


def test_a_failed_check_leaves_nothing_behind(
    source: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def altered(*arguments: object) -> Iterator[tuple[str, bytes]]:
        for name, content in derived_files(*arguments):
            graph = name == GRAPH and alter_graph(onnx.load_from_string(content))
            yield name, graph.SerializeToString() if graph else content

    monkeypatch.setattr("export.bundle.writer.derived_files", altered)
    message = r"fp32: PyTorch / ONNX Runtime, 1×32×32: .* exceeds 0\.0001 first wrong layer fc; .*; and \d+ more$"
    with pytest.raises(VerificationError, match=message):
        export_bundle(source, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(sys, "argv", ["diracnet", "export", "diracnet10_cifar", "--out", str(tmp_path / "bundle")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "error: " in (stderr := capsys.readouterr().err) and "PyTorch / ONNX Runtime" in stderr
    assert not list(tmp_path.iterdir())


def test_nan_weights_fail(source: Checkpoint, tmp_path: Path) -> None:
    state = {**source.state, "fc.bias": torch.full((10,), float("nan"))}
    with pytest.raises(VerificationError, match="inf exceeds"):
        export_bundle(replace(source, state=state), tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def alter_tensor(path: Path, name: str) -> None:
    checkpoint = Checkpoint.load(path)
    tensor = checkpoint.state[name].clone()
    tensor.view(-1)[0] += 0.5 * tensor.abs().max()
    replace(checkpoint, state={**checkpoint.state, name: tensor}).save(path)


def graph_edit(edit: Callable, path: str = GRAPH) -> Callable:
    return lambda folder: onnx.save(edit(onnx.load(folder / path)), folder / path)


NET = {"fp32: PyTorch", "fp32, pictures: PyTorch", GOLDEN_NET}


@pytest.mark.parametrize(
    ("alter", "failing"),
    [
        (lambda folder: None, set()),
        (graph_edit(lambda model: add_operator(model, "NoSuchOp")), {f"fp32: {VALID}"}),
        (lambda folder: alter_tensor(folder / FOLDED, "fc.weight"), {FOLDED_FILE} | NET),
        (lambda folder: alter_tensor(folder / FOLDED, "group1.block0.conv.weight"), {FOLDED_FILE} | NET),
        (lambda folder: alter_tensor(folder / TRAINING_FORM, "group1.block0.conv.alpha"), {FOLDED_FILE}),
        (lambda folder: alter_tensor(folder / TRAINING_FORM, "group0.block0.bn.running_var"), {FOLDED_FILE}),
        (graph_edit(alter_graph), {"fp32: PyTorch", "fp32: golden outputs"}),
        (
            graph_edit(alter_graph, GRAPHS["fp32"].pictures),
            {"fp32, pictures: PyTorch", "fp32, pictures: golden outputs"},
        ),
        (graph_edit(add_operator), {f"fp32: {FOREIGN}"}),
        (graph_edit(add_operator, GRAPHS["fp32"].pictures), {f"fp32, pictures: {FOREIGN}"}),
    ],
    ids=[
        "nothing", "unknown operator", "folded fc", "folded conv", "alpha", "running variance", "graph",
        "picture graph", "operator", "operator in picture graph",
    ],
)  # fmt: skip
def test_each_check_can_fail(untrained: Path, tmp_path: Path, alter: Callable, failing: set[str]) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(untrained, folder)
    alter(folder)
    checks = [
        (check.name.partition(" / ")[0] if ": " in check.name else check.name, check) for check in compare(folder)
    ]
    assert {name for name, check in checks if not check.passed} == failing
    assert not any(check.passed for name, check in checks if name in failing)


def test_golden_inputs_that_lack_a_tensor_are_named(untrained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(untrained, folder)
    tensors = load_file(folder / GOLDEN)
    save_file({name: tensor for name, tensor in tensors.items() if name != "logits"}, folder / GOLDEN)
    with pytest.raises(ValueError, match=r"golden\.safetensors lacks logits"):
        list(compare(folder))


def test_the_first_wrong_layer_is_named(untrained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(untrained, folder)
    for path, layer in ((GRAPH, "group1.block0.conv"), (GRAPHS["fp32"].pictures, "conv")):
        graph_edit(lambda model, layer=layer: alter_graph(model, f"{layer}.weight"), path)(folder)
    notes = {check.name.partition(":")[0]: check.note for check in compare(folder) if not check.passed}
    assert notes == {
        "fp32": "first wrong layer group1.block0.conv",
        "fp32, pictures": "first wrong layer conv",
    }


def test_a_wrong_classifier_is_named_where_a_product_and_a_sum_make_it(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(Path(__file__).parent.parent / "bundle" / "kept" / f"format{BUNDLE_FORMAT}", folder)
    path = GRAPHS["fp16"].path
    for name, layer in (("fc.weight", "fc"), ("fc.bias", "fc"), ("group2.block0.conv.weight", "group2.block0.conv")):
        original = (folder / path).read_bytes()
        graph_edit(lambda model, name=name: alter_graph(model, name), path)(folder)
        checks = FORMATS["fp16"].check(OpenBundle(folder))
        assert {check.note for check in checks if not check.passed} == {f"first wrong layer {layer}"}
        (folder / path).write_bytes(original)


def test_require_names_the_failed_checks_only() -> None:
    require([Check("good", 1.0, 1.0)])
    with pytest.raises(VerificationError, match=r"worse: 2 exceeds 1 here; none: nan exceeds 1$") as caught:
        require([Check("good", 0.5, 1.0), Check("worse", 2.0, 1.0, "here"), Check("none", float("nan"), 1.0)])
    assert "good" not in str(caught.value)
    many = [Check(f"check {index}", 1.0, 0.0) for index in range(SHOWN + 4)]
    with pytest.raises(VerificationError, match=rf"check {SHOWN - 1}: 1 exceeds 0; and 4 more$"):
        require(many)
