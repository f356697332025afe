"""`diracnet verify`: damaged, dropped, added and altered files are found and named."""

import json
import os
import random
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file, save_file
from torch import nn

import zoo
from export.__main__ import main
from export.bundle.audit import audit
from export.bundle.sums import faults, files_below, write_sums
from export.bundle.writer import export_bundle
from export.formats.names import QUANTIZED
from export.formats.table import FORMATS
from export.int8.record import Quantization
from export.int8.source import quantize_on_noise
from export.layout import (
    CARD,
    CONFIG,
    FILES,
    FOLDED,
    GOLDEN,
    GRAPH,
    GRAPHS,
    LABELS,
    PREPROCESSOR,
    QUANTIZATION,
    REPORT,
    SUMS,
    TRAINING_CONFIG,
    TRAINING_FORM,
)
from zoo import Checkpoint
from zoo.files import sha256
from zoo.preprocessing import CIFAR

SPEC = zoo.Spec(depth=10, width=0.25, family="cifar", version=1, num_classes=3)

DEVICE_FILES = [path for form in ("litert", "litert-int8", "c") for path in FORMATS[form].files(SPEC.name)]
LITERT, LITERT_INT8, _, NET_C, WEIGHTS_C, _ = DEVICE_FILES
QUANTIZED_FILES = [path for form in QUANTIZED for path in FORMATS[form].files(SPEC.name)]
FORMAT_FILES = [path for row in FORMATS.values() for path in row.files(SPEC.name)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, randomised: Callable[[nn.Module], nn.Module]) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = randomised(zoo.DiracNet(SPEC))
    source = Checkpoint(
        form="dirac",
        spec=SPEC,
        tag="mine",
        labels=("cat", "dog", "fox"),
        preprocessing=CIFAR,
        state=net.state_dict(),
    )
    out = tmp_path_factory.mktemp("audit") / "bundle"
    export_bundle(source, out, formats=["all"], features=["group1"], quantization=quantize_on_noise(source))
    assert set(files_below(out)) == {*FILES, *FORMAT_FILES, CARD}
    return out


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def problems(folder: Path, expect: str | None = None) -> str:
    return "; ".join(f"{check.name}: {check.note}" for check in audit(folder, expect) if not check.passed)


def test_a_good_bundle_passes_with_what_git_and_the_hub_put_beside_it(copy: Path) -> None:
    for name in (".gitattributes", ".git/config", ".cache/huggingface/download/x"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).touch()
    checks = list(audit(copy, sha256(copy / SUMS).upper()))
    assert len(checks) > 60 and all(check.passed for check in checks)


def damage(folder: Path, draw: random.Random) -> str:
    """Damage one file by chance; return its name."""
    name = draw.choice(files_below(folder))
    file, kind = folder / name, draw.choice(["flip", "flip", "truncate", "append", "drop", "add", "rename"])
    content = bytearray(file.read_bytes())
    if kind == "flip":
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        file.write_bytes(content)
    elif kind == "truncate":
        file.write_bytes(content[: draw.randrange(len(content))])
    elif kind == "append":
        file.write_bytes(content + b"\0")
    elif kind == "drop":
        file.unlink()
    elif kind == "rename":
        file.rename(folder / f"{name}.old")
    else:
        name = f"extra{draw.randrange(100)}"
        (folder / name).touch()
    return name


def test_no_random_damage_is_missed(bundle: Path, tmp_path: Path) -> None:
    for seed in range(500):
        copy = Path(shutil.copytree(bundle, tmp_path / str(seed)))
        name = damage(copy, random.Random(seed))  # noqa: S311
        if name == SUMS and not (copy / SUMS).exists():
            with pytest.raises(FileNotFoundError, match=f"has no {SUMS}"):
                list(audit(copy))
        else:
            found = problems(copy)
            assert found, f"seed {seed}: damage to {name} was missed"
            # A damaged hash is seen as a difference of the file that it belongs to.
            assert name in found or name == SUMS
        shutil.rmtree(copy)


def edit_json(path: Path, edit: Callable[[dict], object]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    edit(value)
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def edit_tensor(path: Path, name: str) -> None:
    checkpoint = Checkpoint.load(path)
    tensor = checkpoint.state[name].clone()
    tensor.view(-1)[1] += 1e-4 * tensor.abs().max()
    replace(checkpoint, state={**checkpoint.state, name: tensor}).save(path)


def edit_graph(path: Path, edit: Callable[[onnx.ModelProto], object]) -> None:
    model = onnx.load(path)
    edit(model)
    onnx.save(model, path)


CLAIMS = {"metrics": {"top1": 99.0}, "dataset": "ImageNet", "licence": "MIT", "provenance": {}}


def swap_labels(value: dict) -> None:
    value["id2label"] = {"0": "dog", "1": "cat", "2": "fox"}
    value["label2id"] = {"dog": 0, "cat": 1, "fox": 2}


def one_weight(model: onnx.ModelProto) -> None:
    """Change one weight by the least that its type can hold, or by a ten-thousandth."""
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "group0.block0.conv.weight")
    array = numpy_helper.to_array(tensor).copy()
    if array.dtype == np.int8:
        array.flat[0] += 1 if array.flat[0] < 0 else -1
    else:
        array.flat[0] *= 1.0001 if array.dtype == np.float32 else 1.001  # one part in 2**10 is float16's last bit
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def edit_record(folder: Path, steps: int, graphs_too: bool = False) -> None:
    """Change one whole number of the quantization; and in the int8 graphs likewise."""
    name = "group0.block0.conv"
    record = Quantization.load(folder / QUANTIZATION)
    weight = record.layers[name].weight.copy()
    weight.flat[0] += steps if weight.flat[0] < 0 else -steps
    layers = {**record.layers, name: replace(record.layers[name], weight=weight)}
    replace(record, layers=layers).save(folder / QUANTIZATION)

    def alter(model: onnx.ModelProto) -> None:
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == f"{name}.weight")
        tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))

    for path in (GRAPHS["int8"].path, GRAPHS["int8"].pictures) if graphs_too else ():
        edit_graph(folder / path, alter)


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(folder: Path, one: str, other: str) -> None:
    first, second = ((folder / name).read_bytes() for name in (one, other))
    (folder / one).write_bytes(second)
    (folder / other).write_bytes(first)


def one_number(path: Path, array: str) -> None:
    """Change the first number of an array in a C file."""
    text = path.read_text(encoding="ascii")
    altered = re.sub(rf"({array}\[\d+\] = {{\s*)(-?\d+)", lambda m: f"{m[1]}{int(m[2]) // 2 + 1}", text, count=1)
    assert altered != text
    path.write_text(altered, encoding="ascii")


def claim_pictures(folder: Path) -> None:
    record = Quantization.load(folder / QUANTIZATION)
    replace(record, calibration={**record.calibration, "pictures": 50_000}).save(folder / QUANTIZATION)


OTHER_GRAPHS = [path for form in GRAPHS.values() for path in (form.path, form.pictures) if path != GRAPH]


def other_mean(model: onnx.ModelProto) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "pictures.centred.by")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:, ::-1].copy(), tensor.name))


def other_labels(model: onnx.ModelProto) -> None:
    value = json.loads(model.metadata_props[0].value)
    swap_labels(value)
    model.metadata_props[0].value = json.dumps(value, sort_keys=True)


def edit_golden(path: Path, name: str) -> None:
    tensors = load_file(path)
    tensors[name].view(-1)[0] *= 1 + 1e-6
    save_file(tensors, path)


def one_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].input[0] = "more"
    model.graph.node.insert(
        len(model.graph.node) - 1, onnx.helper.make_node("Relu", [model.graph.node[-2].output[0]], ["more"], "more")
    )


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (lambda folder: edit_tensor(folder / FOLDED, "group0.block1.conv.weight"), "group0.block1.conv.weight in"),
        (lambda folder: edit_tensor(folder / FOLDED, "fc.bias"), "fc.bias in model.safetensors"),
        (lambda folder: edit_tensor(folder / TRAINING_FORM, "group1.block0.bn.running_mean"), "group1.block0.conv"),
        (lambda folder: edit_graph(folder / GRAPH, one_weight), GRAPH),
        (lambda folder: edit_graph(folder / GRAPH, one_operator), GRAPH),
        (lambda folder: edit_json(folder / CONFIG, swap_labels), CONFIG),
        (lambda folder: edit_json(folder / CONFIG, lambda v: v["preprocessing"].update(mean=[0.5] * 3)), CONFIG),
        (lambda folder: edit_json(folder / CONFIG, lambda v: v.update(trusted=True)), CONFIG),
        (lambda folder: edit_json(folder / CONFIG, lambda v: v.update(metrics={"top1": 9.0})), f"{CARD} is not"),
        (lambda folder: edit_json(folder / CONFIG, lambda v: v.update(CLAIMS)), CARD),
        (lambda folder: edit_json(folder / TRAINING_CONFIG, lambda v: v["spec"].update(depth=16)), TRAINING_CONFIG),
        (lambda folder: edit_json(folder / REPORT, lambda v: v["checks"][0].update(figure=1.0)), REPORT),
        (lambda folder: (folder / CARD).write_text("Accuracy: 100%\n"), CARD),
        (lambda folder: (folder / CONFIG).write_text("[]"), "config.json is damaged: it is []: must be a JSON object"),
        (lambda folder: (folder / GRAPH).write_bytes(b"graph"), GRAPH),
        *((lambda folder, path=path: edit_graph(folder / path, one_weight), path) for path in OTHER_GRAPHS),
        (lambda folder: edit_graph(folder / GRAPHS["fp16"].pictures, other_mean), GRAPHS["fp16"].pictures),
        (lambda folder: edit_graph(folder / GRAPHS["fp16"].path, other_labels), GRAPHS["fp16"].path),
        (lambda folder: (folder / LABELS).write_text("dog\ncat\nfox\n"), LABELS),
        (lambda folder: edit_json(folder / PREPROCESSOR, lambda v: v["image_mean"].reverse()), PREPROCESSOR),
        (lambda folder: edit_json(folder / PREPROCESSOR, lambda v: v.update(do_center_crop=False)), PREPROCESSOR),
        (lambda folder: edit_golden(folder / GOLDEN, "logits"), GOLDEN),
        (lambda folder: edit_golden(folder / GOLDEN, "pixel_values"), GOLDEN),
        (lambda folder: edit_json(folder / CONFIG, lambda v: v.update(features=[])), GOLDEN),
        (lambda folder: edit_json(folder / CONFIG, lambda v: v.update(features=["group7"])), "no feature 'group7'"),
        (lambda folder: (folder / GRAPHS["fp16"].pictures).unlink(), f"{GRAPHS['fp16'].pictures} is missing"),
        (lambda folder: [(folder / GRAPHS["fp16"].path).unlink(), (folder / GRAPHS["fp16"].pictures).unlink()], CARD),
        (lambda folder: (folder / GOLDEN).unlink(), f"{GOLDEN} is missing"),
        (lambda folder: (folder / "onnx/other.onnx").touch(), "onnx/other.onnx has no place"),
        (lambda folder: edit_record(folder, 1), GRAPHS["int8"].path),
        (lambda folder: edit_record(folder, 2, graphs_too=True), "group0.block0.conv is up to"),
        (claim_pictures, GRAPHS["int8"].path),
        (lambda folder: (folder / QUANTIZATION).write_bytes(b"record"), f"{QUANTIZATION} is not a quantization record"),
        (lambda folder: (folder / QUANTIZATION).unlink(), f"{QUANTIZATION}, and the second is missing"),
        (
            lambda folder: [(folder / path).unlink() for path in QUANTIZED_FILES],
            f"{QUANTIZATION} has no place",
        ),
        *((lambda folder, path=path: flip(folder / path), path) for path in DEVICE_FILES),
        (lambda folder: swap(folder, LITERT, LITERT_INT8), LITERT_INT8),
        (lambda folder: swap(folder, WEIGHTS_C, NET_C), NET_C),
        (lambda folder: one_number(folder / WEIGHTS_C, "multiplier_3"), WEIGHTS_C),
        (lambda folder: one_number(folder / WEIGHTS_C, "weight_0"), WEIGHTS_C),
        (lambda folder: (folder / WEIGHTS_C).unlink(), f"{WEIGHTS_C} is missing"),
        (lambda folder: (folder / "c/more.c").touch(), "c/more.c has no place"),
    ],
    ids=[
        "folded weight", "classifier", "running mean", "graph weight", "operator", "labels", "mean", "claim",
        "half a claim", "accuracy",
        "training config", "report", "card", "no object", "no graph", *OTHER_GRAPHS, "mean in graph", "labels in graph",
        "labels.txt", "mean for transformers", "crop", "golden output", "golden input", "features", "no such feature",
        "no picture graph", "no fp16", "no golden", "one more file",
        "quantization", "quantization and graphs", "claim of pictures", "damaged quantization", "no quantization",
        "no int8",
        *DEVICE_FILES, "swapped models", "swapped sources", "multiplier", "weight", "no weights", "one more source",
    ],
)  # fmt: skip
def test_one_altered_file_is_found_behind_new_checksums(
    copy: Path, alter: Callable[[Path], object], named: str
) -> None:
    before = sha256(copy / SUMS)
    alter(copy)
    write_sums(copy)
    found = problems(copy)
    assert found.startswith("files that disagree with others: ") and named in found
    assert f"digests other than the expected one: {SUMS} has" in problems(copy, before)


def test_files_of_another_net_are_found_behind_new_checksums(copy: Path, tmp_path: Path) -> None:
    source = Checkpoint.load(copy / TRAINING_FORM)
    other = replace(source, state={**source.state, "fc.weight": source.state["fc.weight"].flip(0)})
    export_bundle(other, tmp_path / "other", formats=["all"], quantization=quantize_on_noise(other))
    for path in DEVICE_FILES:
        shutil.copyfile(tmp_path / "other" / path, copy / path)
    write_sums(copy)
    found = problems(copy)
    program = DEVICE_FILES[-1]  # which has no number of a net in it
    assert all(f"{path} is not what follows from {FOLDED}" in found for path in DEVICE_FILES if path != program)


def test_what_is_altered_everywhere_is_found_by_the_digest_alone(bundle: Path, tmp_path: Path) -> None:
    source = Checkpoint.load(bundle / TRAINING_FORM)
    altered = {**source.state, "fc.bias": source.state["fc.bias"] + 1}
    forged = replace(source, state=altered)
    export_bundle(forged, tmp_path / "forged")
    assert not problems(tmp_path / "forged")
    assert problems(tmp_path / "forged", sha256(bundle / SUMS))


@pytest.mark.parametrize("damaged", [False, True])
def test_the_command_ends_with_zero_or_one(
    copy: Path, damaged: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    if damaged:
        (copy / CONFIG).write_bytes((copy / CONFIG).read_bytes()[:-1])
    monkeypatch.setattr(sys, "argv", ["diracnet", "verify", str(copy)])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert (ended.value.code or 0) == damaged
    assert ("config.json is altered" in printed.err) == damaged and ("checks passed" in printed.out) != damaged


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_a_file_that_never_ends_is_not_read(bundle: Path) -> None:
    listed = (bundle / SUMS).read_bytes()
    (bundle / LABELS).unlink()
    os.mkfifo(bundle / LABELS)
    assert (bundle / SUMS).read_bytes() == listed
    assert faults(bundle) == [f"{LABELS} is no file"]
