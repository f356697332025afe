"""The examples in all docstrings give what they say."""

import doctest
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import export
import zoo
from export.int8.graph import quantize
from export.int8.record import Quantization
from export.integer.net import lower
from zoo.preprocessing import CIFAR

ROOT = Path(__file__).parents[1]
FILES = [file for room in ("zoo", "pixels", "export") for file in sorted((ROOT / room).rglob("*.py"))]
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in FILES if ">>> " in file.read_text("utf-8")
]
MENTIONED = {
    "CIFAR": CIFAR,
    "Path": Path,
    "Preprocessing": zoo.Preprocessing,
    "export": export,
    "lower": lower,
    "np": np,
    "onnx": onnx,
    "quantize": quantize,
    "torch": torch,
    "zoo": zoo,
}
"""What examples take for granted, beside a folded net and its quantization."""


@pytest.fixture(scope="module")
def mentioned() -> dict[str, Any]:
    net = zoo.get_model("diracnet16_cifar", "cifar10")
    file = ROOT / "checkpoints/diracnet16_cifar/cifar10/onnx/quantization.safetensors"
    return {**MENTIONED, "folded": export.fold(net), "record": Quantization.load(file)}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, mentioned: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").symlink_to(ROOT / "checkpoints")
    found = [each for each in doctest.DocTestFinder().find(importlib.import_module(name)) if each.examples]
    assert found
    for example in found:
        example.globs = {**mentioned, **example.globs}
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        assert not runner.run(example).failed, example.name
