"""Shell completion: what typer's script in bash gets, word by word, without anything large being imported."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from export.formats.names import NAMES
from export.layout import GRAPHS
from zoo.datasets import DATASETS
from zoo.training.recipes import RECIPES

PROGRAM = """
import contextlib, io, json, os, sys
from export.__main__ import main

for typed, index in json.load(sys.stdin):
    sys.argv = ["diracnet"]
    os.environ |= {"COMP_WORDS": typed, "COMP_CWORD": index, "_DIRACNET_COMPLETE": "complete_bash"}
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main()
    print(json.dumps([output.getvalue().split(), [*{"torch", "onnx", "onnxruntime"} & sys.modules.keys()]]))
"""
CASES = [
    ("diracnet in", ["info"]),
    ("diracnet rep", ["reproduce"]),
    ("diracnet reproduce x --f", ["--from"]),
    ("diracnet --ver", ["--version"]),
    ("diracnet info diracnet16_c", ["diracnet16_cifar", "diracnet16_cifar:cifar10"]),
    ("diracnet info diracnet16_cifar : c", ["cifar10"]),
    ("diracnet info diracnet16_cifar :", ["cifar10"]),
    ("diracnet export 'a net' --formats fp16,i", ["fp16,int8"]),
    ("diracnet export x --formats ", [*NAMES, "all"]),
    ("diracnet predict x --precision ", list(GRAPHS)),
    ("diracnet train --recipe ", list(RECIPES)),
    ("diracnet train --model diracnet18_x", zoo.list_models("diracnet18_x*")),
    ("diracnet train --schedule t", ["triangle"]),
    ("diracnet train --init diracnet28_cifar :", ["cifar10"]),
    ("diracnet train --sched", ["--schedule"]),
    ("diracnet evaluate x --data ", ["digits", *(f"{key}:" for key in DATASETS if key != "digits")]),
    ("diracnet evaluate x --form f", ["folded"]),
    ("diracnet ship x --dataset cifar100", ["cifar100"]),
    ("diracnet quantize x --calibration di", ["digits"]),
    ("diracnet info build/", []),  # the shell offers files
]


def test_values_are_offered(root: Path) -> None:
    asked = []
    for line, _ in CASES:
        split = shlex.split(line)
        asked.append((line, str(len(split) - (not line.endswith(" ")))))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(root)},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for (line, expected), (offered, imported) in zip(CASES, results, strict=True):
        assert (sorted(offered), imported) == (sorted(expected), []), line
    assert not done.stderr


BASH = """
source <(_DIRACNET_COMPLETE=source_bash diracnet)
complete -p diracnet
complete_line() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _diracnet_completion diracnet
    echo "${COMPREPLY[*]}"
}
complete_line diracnet info diracnet16_c
complete_line diracnet info diracnet16_cifar :
complete_line diracnet train --data ""
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_in_bash_itself(root: Path, tmp_path: Path) -> None:
    command = tmp_path / "diracnet"
    program = "import sys; sys.argv[0] = 'diracnet'; from export.__main__ import main; main()"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{program}" "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(root), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(shutil.which("bash")), "-c", BASH], env=environment, capture_output=True, text=True, check=True
    )
    script, *offered = done.stdout.splitlines()
    assert script == "complete -o default -F _diracnet_completion diracnet"
    assert offered[:2] == ["diracnet16_cifar diracnet16_cifar:cifar10", "cifar10"] and "digits cifar10:" in offered[2]
