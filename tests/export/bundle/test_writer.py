"""Bundles: which files they hold, that the files agree and say what they are, and that failing checks are noticed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from export import export_bundle
from export.bundle.description import describe_preprocessing
from export.c.run import lacking
from export.formats.c import FAULTS
from export.formats.names import choose_formats
from export.formats.table import FORMATS
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
from export.litert.interpreter import KERNELS
from export.proof.graph import FOREIGN, RANGE, VALID
from export.proof.litert import VALID as VALID_MODEL
from zoo import Checkpoint, Preprocessing, Weight, build_from
from zoo.files import sha256
from zoo.reference import open_model

NAMES = ["diracnet10_cifar", "diracnet10_v1_cifar"]
EXACT = "training form / folded, float64"
FOLDED_FILE = "training form in float64 / folded file"
GOLDEN_NET = "golden outputs / PyTorch, 2×32×32"
FORMAT_FILES = [path for row in FORMATS.values() for path in row.files(NAMES[0])]
ARITHMETIC = {"litert": "PyTorch", "litert-int8": "integer arithmetic"}
"""What LiteRT's models are compared with."""
RUNTIMES = {"ONNX Runtime", "ONNX Runtime, not optimised", "reference evaluator"}

CONFIG_ONLY = {"architecture", "bundle_format", "model_args", "pretrained_cfg"}
"""Keys of config.json that graphs do not repeat."""


def files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*") if path.is_file()}


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def metadata(path: Path) -> dict:
    (entry,) = onnx.load(path).metadata_props
    assert entry.key == "diracnet"
    return json.loads(entry.value)


@pytest.mark.parametrize(
    ("name", "formats"), [pytest.param(NAMES[0], ["all"], marks=pytest.mark.slow), (NAMES[1], ["fp32"])]
)
def test_two_exports_are_complete_and_equal(
    name: str, formats: list[str], randomised_checkpoint: Callable[[str], Checkpoint], tmp_path: Path
) -> None:
    source = randomised_checkpoint(name)
    first, second = tmp_path / "first", tmp_path / "deep" / "er" / "second"
    quantization = quantize_on_noise(source) if "all" in formats else None
    checks = export_bundle(source, first, formats=formats, quantization=quantization)
    export_bundle(source, second, formats=formats, quantization=quantization)
    assert {path.name for path in tmp_path.iterdir()} == {"first", "deep"}
    forms = choose_formats(formats)
    made = {path for form in forms for path in FORMATS[form].files(source.spec.name)}
    others = {FOLDED, TRAINING_FORM, TRAINING_CONFIG, CONFIG, PREPROCESSOR, LABELS, GOLDEN, CARD, REPORT, SUMS}
    others |= {QUANTIZATION} if "int8" in forms else set()
    assert set(files(first)) == set(files(second)) == made | others
    if formats == ["all"]:
        assert made | others == {*FILES, *made, CARD}
    for file in (made | others) - {REPORT, SUMS}:
        assert files(first)[file] == files(second)[file], file

    report = read(first / REPORT)
    assert report["checks"] == [
        {"name": c.name, "figure": c.figure, "limit": c.limit, "note": c.note, "inputs": c.inputs, "passed": True}
        for c in checks
    ]
    own = {"1×32×32", "3×32×32"}
    cases = {"": own | {"1×15×22", "3×15×22"}, ", pictures": own}
    runs = {
        f"{form}{kind}: {against} / {runtime}, {size}"
        for form in forms
        if form in GRAPHS
        for kind, sizes in cases.items()
        for against, size in (
            *(("integer arithmetic" if form == "int8" else "PyTorch", size) for size in sizes),
            ("golden outputs", "2×32×32"),
        )
        for runtime in RUNTIMES
    }
    always = {
        f"{form}{kind}: {check}" for form in forms if form in GRAPHS for kind in cases for check in (VALID, FOREIGN)
    }
    models = {form: against for form, against in ARITHMETIC.items() if form in forms}
    runs |= {
        f"{form}: {source} / LiteRT, {kernels} kernels, {size}"
        for form, against in models.items()
        for kernels in KERNELS
        for source, size in (
            *((against, size) for size in own),
            ("golden outputs", "2×32×32"),
            *(((against, "2×32×32"),) if form == "litert-int8" else ()),
        )
    }
    always |= {f"{form}: {check}" for form in models for check in (VALID_MODEL, FOREIGN)}
    if "c" in forms:
        compiled = FAULTS, "logits that differ from integer arithmetic, 6×32×32"
        found = compiled if lacking() is None else ("not compiled",)
        always |= {f"c: {check}" for check in found}
    ranges = {f"fp16: {RANGE}"} if "fp16" in forms else set()
    assert {check.title for check in checks} == runs | always | ranges | {EXACT, FOLDED_FILE, GOLDEN_NET}


@pytest.mark.slow
def test_another_process_with_other_instructions_writes_the_same_bytes(root: Path, tmp_path: Path) -> None:
    """Threads, vector instructions, order of hashes and place differ; all but report and sums must not."""
    source, record = open_model("diracnet16_cifar:cifar10")
    export_bundle(source, tmp_path / "here", record=record, formats=["all"], features=["group2"])
    settings = {"OMP_NUM_THREADS": "3", "ATEN_CPU_CAPABILITY": "default", "PYTHONHASHSEED": "99"}
    command = [sys.executable, "-m", "export", "export", "diracnet16_cifar:cifar10", "--formats", "all"]
    (tmp_path / "elsewhere").mkdir()
    subprocess.run(
        [*command, "--feature", "group2", "--out", "there"],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, **settings, "PYTHONPATH": str(root)},
        capture_output=True,
        check=True,
    )
    here, there = files(tmp_path / "here"), files(tmp_path / "elsewhere" / "there")
    assert here.keys() == there.keys()
    assert {name for name in here if here[name] != there[name]} <= {REPORT, SUMS}


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_transformers_are_told_the_same_preprocessing(interpolation: str) -> None:
    how = Preprocessing(resize=50, size=41, interpolation=interpolation, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    told = describe_preprocessing(how)
    assert told["size"] == {"shortest_edge": 50} and told["crop_size"] == {"height": 41, "width": 41}
    assert all(told[f"do_{step}"] for step in ("resize", "center_crop", "rescale", "normalize", "convert_rgb"))
    assert Image.Resampling(told["resample"]).name.lower() == interpolation
    assert (told["image_mean"], told["image_std"]) == (list(how.mean), list(how.std))
    assert told["rescale_factor"] * 255 == 1 and told["image_processor_type"] == "ViTImageProcessor"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_accepts_the_sums_and_covers_every_file(untrained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "moved"
    shutil.copytree(untrained, copy)
    command = ["sha256sum", "--strict", "--check", SUMS]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True)
    assert {line.removesuffix(": OK") for line in done.stdout.splitlines()} == set(files(copy)) - {SUMS}
    (copy / CARD).write_text("changed")
    assert subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode == 1


def test_untrained_weights_are_marked_in_every_file(untrained: Path) -> None:
    for form in (FOLDED, TRAINING_FORM):
        with safe_open(untrained / form, framework="pt") as file:
            assert json.loads(file.metadata()["diracnet"])["weights"] == "untrained"
    graphs = [metadata(untrained / path) for path in (GRAPH, GRAPHS["fp32"].pictures)]
    for value in (read(untrained / CONFIG), read(untrained / TRAINING_CONFIG), *graphs):
        assert value["untrained"] is True and value["weights"] == "untrained"
    assert not (untrained / LABELS).exists()
    assert read(untrained / REPORT)["untrained"] is True
    card = (untrained / CARD).read_text(encoding="utf-8")
    assert "(untrained)" in card and "**Untrained:" in card


def test_weights_with_a_name_are_described(source: Checkpoint, tmp_path: Path) -> None:
    record = Weight(
        model=NAMES[0], tag="mine", spec=source.spec, labels=source.labels, preprocessing=source.preprocessing,
        dataset="Ten Things", metrics={"top1": 91.234, "loss": 0.5}, licence="Apache-2.0", files={},
        provenance={"seed": 3},
    )  # fmt: skip
    export_bundle(source, tmp_path / "bundle", record=record, formats=["all"], quantization=quantize_on_noise(source))
    config = read(tmp_path / "bundle" / CONFIG)
    for name, form in GRAPHS.items():
        for path, pictures in ((form.path, False), (form.pictures, True)):
            said = metadata(tmp_path / "bundle" / path)
            assert {key: said[key] for key in config.keys() - CONFIG_ONLY} == {
                key: config[key] for key in config.keys() - CONFIG_ONLY
            }
            assert (said["format"], said["preprocessing_inside"]) == (name, pictures)
            assert said["source"] == {"file": FOLDED, "sha256": sha256(tmp_path / "bundle" / FOLDED)}
            (given,) = onnxruntime.InferenceSession(tmp_path / "bundle" / path).get_inputs()
            assert said["input"]["name"] == given.name
            assert f"tensor({said['input']['type'].replace('float32', 'float')})" == given.type
            assert said["input"]["layout"].index("C") == given.shape.index(3)
    assert (config["form"], read(tmp_path / "bundle" / TRAINING_CONFIG)["form"]) == ("folded", "dirac")
    assert config["untrained"] is False and config["dataset"] == "Ten Things" and config["num_classes"] == 10
    assert config["id2label"] == {str(index): label for index, label in enumerate(source.labels)}
    assert config["label2id"] == {label: index for index, label in enumerate(source.labels)}
    assert config["preprocessing"]["size"] == 32
    card = (tmp_path / "bundle" / CARD).read_text(encoding="utf-8")
    assert "| top-1 | 91.23% |" in card and "license: apache-2.0" in card and "Ten Things" in card
    assert "ntrained" not in card
    assert all(f"`{path}`" in card for path in (*FILES, *FORMAT_FILES))
    assert (tmp_path / "bundle" / LABELS).read_text(encoding="utf-8").splitlines() == list(source.labels)


def test_the_weights_come_back(source: Checkpoint, tmp_path: Path) -> None:
    export_bundle(source, tmp_path / "bundle")
    training, folded = (Checkpoint.load(tmp_path / "bundle" / name) for name in (TRAINING_FORM, FOLDED))
    assert replace(training, state={}) == replace(source, state={})
    assert replace(folded, state={}) == replace(source, form="folded", state={})
    for name, tensor in source.state.items():
        assert torch.equal(training.state[name], tensor)
    pictures = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    session = onnxruntime.InferenceSession(tmp_path / "bundle" / GRAPH, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"pixel_values": pictures.numpy()})
    for checkpoint in (training, folded):
        expected = build_from(checkpoint)(pictures).detach().numpy()
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_folded_source_gives_a_bundle_without_training_form(source: Checkpoint, tmp_path: Path) -> None:
    export_bundle(source, tmp_path / "first")
    checks = export_bundle(Checkpoint.load(tmp_path / "first" / FOLDED), tmp_path / "second")
    assert set(files(tmp_path / "second")) == set(files(tmp_path / "first")) - {TRAINING_FORM, TRAINING_CONFIG}
    for name in (FOLDED, PREPROCESSOR, LABELS, GRAPH, GOLDEN):
        assert sha256(tmp_path / "first" / name) == sha256(tmp_path / "second" / name)
    with_training_form, without = (read(tmp_path / folder / CONFIG) for folder in ("first", "second"))
    for_timm = {"architecture", "model_args", "pretrained_cfg"}  # timm builds the training form
    assert without == {key: value for key, value in with_training_form.items() if key not in for_timm}
    assert not {check.name for check in checks} & {EXACT, FOLDED_FILE}
    assert "dirac/" not in (tmp_path / "second" / CARD).read_text(encoding="utf-8")


def test_errors(source: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    with pytest.raises(ValueError, match="exists already"):
        export_bundle(source, tmp_path / "bundle")
    with pytest.raises(ValueError, match="preprocessing"):
        export_bundle(replace(source, preprocessing=None), tmp_path / "other")
    with pytest.raises(ValueError, match=r"formats: 'fp8' is unknown; allowed are fp32, .*all"):
        export_bundle(source, tmp_path / "other", formats=["fp32", "fp8"])
    with pytest.raises(ValueError, match=r"no feature 'group9'; its features are conv, .*group2.*group0\.block0"):
        export_bundle(source, tmp_path / "other", features=["group9"])
    large = {**source.state, "group1.block0.bn.weight": source.state["group1.block0.bn.weight"] * 1e8}
    with pytest.raises(ValueError, match=r"group1\.block0\.conv\.weight holds .*, and float16 ends at 65504"):
        export_bundle(replace(source, state=large), tmp_path / "other", formats=["fp16"])
    assert list(tmp_path.rglob("*")) == [tmp_path / "bundle"]
