"""Measures the memory of activations, and writes docs/memory.json and the page made from it.

`python -m benchmarks.memory measure` takes a few minutes, on Linux; `… page` writes the page alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, cast

import torch
import torchvision
import typer
from rich.console import Console
from torch import nn

import zoo
from benchmarks.comparators import resnet20
from benchmarks.memory.once import THREADS
from benchmarks.memory.page import page
from benchmarks.memory.residual import emit_residual
from benchmarks.nets import write_onnx
from benchmarks.report import write_report
from export import fold
from export.litert.float32 import emit_float32
from zoo.command_line import run
from zoo.files import read_json
from zoo.machine import describe
from zoo.preprocessing import CIFAR, IMAGENET, Preprocessing

app = typer.Typer(add_completion=False, help=__doc__)
Docs = Annotated[Path, typer.Option(help="Folder of memory.json and memory.md.")]


@dataclass(frozen=True)
class Net:
    """A net whose weights are random, because they do not change its memory."""

    build: Callable[[], nn.Module]
    preprocessing: Preprocessing
    batches: tuple[int, ...] = (1, 32)


def _chain(name: str) -> nn.Module:
    return fold(zoo.get_model(name).eval())


def _torchvision(name: str) -> nn.Module:
    return cast(nn.Module, torchvision.models.get_model(name)).eval()


NETS = {
    "DiracNet-18": Net(partial(_chain, "diracnet18"), IMAGENET),
    "ResNet-18": Net(partial(_torchvision, "resnet18"), IMAGENET),
    "DiracNet-34": Net(partial(_chain, "diracnet34"), IMAGENET),
    "ResNet-34": Net(partial(_torchvision, "resnet34"), IMAGENET),
    "diracnet22_cifar": Net(partial(_chain, "diracnet22_cifar"), CIFAR, (32,)),
    "ResNet-20": Net(lambda: resnet20(zoo.get_spec("diracnet22_cifar")).eval(), CIFAR, (32,)),
}
"""Each chain is followed by the residual net that it is compared with."""
SETTINGS = {"onnx": ("onnx",), "onnx_arena": ("onnx", "arena"), "litert": ("tflite",)}
"""For each column the kind of file, and what else the measuring process is told."""


@app.command()
def measure(
    docs: Docs = Path("docs"),
    rounds: Annotated[int, typer.Option(min=1, help="Processes for each figure, which is their median.")] = 3,
) -> None:
    """Measure all nets."""
    found: dict[str, dict[str, Any]] = {}
    with Console(stderr=True).status("") as status, TemporaryDirectory() as temporary:
        for name, net in NETS.items():
            torch.manual_seed(0)
            built, path = net.build(), Path(temporary) / "model"
            write_onnx(built, path.with_suffix(".onnx"), free=True)
            emit = emit_float32 if isinstance(built, nn.Sequential) else emit_residual
            path.with_suffix(".tflite").write_bytes(emit(cast(Any, built), net.preprocessing).to_bytes())
            found[name] = {}
            for batch in net.batches:
                status.update(f"{name}, batch {batch}")
                cells = {column: _median(path, setting, net, batch, rounds) for column, setting in SETTINGS.items()}
                found[name][str(batch)] = cells
    packages = ("ai-edge-litert", "onnxruntime", "torch", "torchvision")
    result = {"nets": found, "rounds": rounds, **describe(packages, THREADS)}
    write_report(docs / "memory.json", result, page)


@app.command("page")
def page_(docs: Docs = Path("docs")) -> None:
    """Write docs/memory.md from the recorded figures."""
    write_report(docs / "memory.json", read_json(docs / "memory.json"), page)


def _median(path: Path, setting: tuple[str, ...], net: Net, batch: int, rounds: int) -> float:
    """Return the median of several processes, in MiB."""
    kind, *options = setting
    size = net.preprocessing.size
    numbers = (batch, size, max(size // 4, 8))
    module = "benchmarks.memory.once"
    command = [sys.executable, "-m", module, str(path.with_suffix(f".{kind}")), *map(str, numbers), *options]
    # glibc then gives every larger block back as soon as it is freed, so that the peak is of what is in use.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    outputs = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
        for _ in range(rounds)
    )
    return round(statistics.median(float(one.stdout) for one in outputs), 2)


if __name__ == "__main__":
    run(app)
