"""Help, versions, completion and the errors of a mistyped call come at once: nothing large is imported for them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from export.commands.full import COMMANDS

HEAVY = {"accelerate", "huggingface_hub", "onnx", "onnxruntime", "safetensors", "sklearn", "torch", "torchvision"}
PROGRAM = """
import contextlib, io, json, os, sys

def finder(name, path=None, target=None):
    if name in HEAVY:
        imported.append(name)

HEAVY, imported = set(json.loads(sys.argv[1])), []
sys.meta_path.insert(0, type("Recorder", (), {"find_spec": staticmethod(finder)}))
from export.__main__ import main

for arguments in json.load(sys.stdin):
    output, errors = io.StringIO(), io.StringIO()
    sys.argv = ["diracnet", *arguments]
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    print(json.dumps([status, output.getvalue(), errors.getvalue(), imported]))
"""
"""Runs calls one after the other and prints what each printed, and which large packages have been asked for so far."""


def run(calls: list[list[str]], root: Path, folder: Path, **environment: str) -> list[list]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(sorted(HEAVY))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200", "NO_COLOR": "1", **environment},
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        check=False,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(calls), done.stderr[-3000:]
    return results


def test_help_of_every_command(root: Path, tmp_path: Path) -> None:
    calls = [["--help"], ["-h"], ["--version"], *([name, flag] for name in COMMANDS for flag in ("--help", "-h"))]
    for call, (status, output, errors, imported) in zip(calls, run(calls, root, tmp_path), strict=True):
        assert (status, errors, imported) == (0, "", []), call
        assert "diracnet-zoo" in output and "torch" in output if call == ["--version"] else "Usage: diracnet" in output


def test_the_help_of_train_lists_the_recipes_and_a_flag_for_each_field(root: Path, tmp_path: Path) -> None:
    from dataclasses import fields

    from zoo.training.recipes import RECIPES, Recipe

    ((_, output, *_),) = run([["train", "-h"]], root, tmp_path)
    text = " ".join(output.replace("│", " ").split())
    assert all(f"{name} ({recipe.epochs} epochs)" in text for name, recipe in RECIPES.items())
    assert all(f"--{field.name.replace('_', '-')} " in text for field in fields(Recipe))


WRONG = [
    "nonsense",
    "list nothing*",
    "info diracnet11_cifar",
    "info diracnet18:nope",
    "info none/a/b",
    "info FOLDER",
    "info GRAPH.onnx",
    "train --recipe nope --out OUT",
    "train --recipe digits --epochs 0 --out OUT",
    "train --recipe digits --lr x --out OUT",
    "train --recipe digits --model diracnet11 --out OUT",
    "train --data NONE --out OUT",
    "train --recipe digits --init diracnet18:nope --out OUT",
    "train --recipe digits --teacher nonsense --teacher-weight 0.5 --out OUT",
    "evaluate diracnet11 --data digits",
    "evaluate diracnet10_cifar --data NONE",
    "evaluate diracnet10_cifar --data digits --form bogus",
    "evaluate GRAPH.onnx --data digits",
    "evaluate GRAPH.onnx --data digits --full",
    "evaluate diracnet10_cifar --data digits --corrupted 10",
    "evaluate diracnet10_cifar --data digits --full --corrupted -1",
    "evaluate diracnet10_cifar --data digits --full --form folded",
    "evaluate diracnet10_cifar --data digits --full --out figures.txt",
    "train --recipe digits --init GRAPH.onnx --out OUT",
    "export GRAPH.onnx --out OUT",
    "quantize GRAPH.onnx --calibration digits --out OUT",
    "import-upstream NONE.pth --out OUT",
    "export diracnet11 --out OUT",
    "export diracnet10_cifar",
    "export diracnet10_cifar --out FOLDER",
    "export diracnet10_cifar --formats fp8 --out OUT",
    "export diracnet10_cifar --labels NONE --out OUT",
    "export diracnet10_cifar --calibration digits --out OUT",
    "export diracnet10_cifar --calibration NONE --formats int8 --out OUT",
    "verify FOLDER",
    "verify NONE",
    "predict diracnet11 PICTURE",
    "predict NONE.onnx PICTURE",
    "quantize diracnet11 --calibration digits",
    "quantize diracnet10_cifar --calibration digits --out FOLDER",
    "quantize diracnet10_cifar --calibration NONE --out OUT",
    "ship FOLDER --tag ../up --dataset digits",
    "ship FOLDER --tag t --dataset nope",
    "ship FOLDER --tag t --dataset digits",
    "model-card --check --out NONE/card.md",
    "reproduce FOLDER",
    "reproduce NONE --from NONE.safetensors",
    "sign FOLDER --key KEY",
    "publish",
    "publish FOLDER --repo-id me/net",
    "publish-site NONE --space me/site",
    "publish-site FOLDER",
]


def test_errors_in_the_call_of_every_command(root: Path, tmp_path: Path) -> None:
    (tmp_path / "FOLDER").mkdir()
    (tmp_path / "GRAPH.onnx").touch()
    calls = [line.split() for line in WRONG]
    assert {call[0] for call in calls} == {*COMMANDS, "nonsense"}
    for call, (status, output, errors, imported) in zip(calls, run(calls, root, tmp_path), strict=True):
        assert (status, output, imported) == (2, "", []), (call, errors)
        assert errors.startswith("error: ") or "Usage:" in errors, call
        if "GRAPH.onnx" in call:
            assert "an ONNX graph, which only `diracnet predict` takes; name its bundle's folder" in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FOLDER", "GRAPH.onnx"]


def test_training_from_memory_and_folding_do_without_torchvision(root: Path) -> None:
    """It brings PyTorch's compiler along, and so takes as long to import as PyTorch itself."""
    program = """
import sys, torch
with torch.device("meta"):  # with torch 2.8 that imports sympy
    torch.nn.Conv2d(1, 1, 1)
before = set(sys.modules)
import export, export.bundle.writer, zoo, zoo.training.run
export.fold(zoo.get_model("diracnet10_cifar", weights="cifar10").eval())
print([name for name in sys.argv[1:] if name in sys.modules.keys() - before])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "zoo", "torchvision", "torch._dynamo", "sympy"],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["['zoo']"]
