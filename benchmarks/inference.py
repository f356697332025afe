"""Part `inference`: what a net costs at inference, compared with the nets people would pick instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from torch import nn

import zoo
from benchmarks import runners
from benchmarks.nets import NETS, multiply_adds, pictures, quantize_as_all, write_onnx
from benchmarks.pairs import Case, Spread, all_paired, rotate
from benchmarks.process import Cost, cost, median
from export import fold

BASE = "ResNet-18"
"""Each net's time is also given relative to this one's, round by round."""


class Setting(NamedTuple):
    """One way to run all nets."""

    runtime: str
    precision: str
    batch: int
    rounds: int


SETTINGS = (
    Setting("ONNX Runtime", "fp32", 1, 30),
    Setting("ONNX Runtime", "int8", 1, 30),
    Setting("ONNX Runtime", "fp32", 32, 6),
    Setting("ONNX Runtime", "int8", 32, 6),
    Setting("OpenVINO", "fp32", 1, 30),
    Setting("OpenVINO", "int8", 1, 30),
    Setting("PyTorch, eager", "fp32", 1, 30),
    Setting("PyTorch, eager", "fp32", 32, 6),
    Setting("PyTorch, compiled", "fp32", 1, 30),
)
ROUNDS = 40
FOOTPRINT_ROUNDS = 5


def measure(tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the tables: times by setting and net, and the size of each net."""
    with TemporaryDirectory() as folder:
        modules = {name: net.build() for name, net in NETS.items()}
        files: dict[str, dict[str, Path]] = {"fp32": {}, "int8": {}}
        for index, (name, module) in enumerate(modules.items()):
            tell(f"writing {name}")
            single, whole = (Path(folder, f"{index}.{precision}.onnx") for precision in files)
            write_onnx(module, single)
            quantize_as_all(single, whole)
            files["fp32"][name], files["int8"][name] = single, whole
        times = []
        for setting in SETTINGS:
            tell(f"timing {setting.runtime}, {setting.precision}, batch {setting.batch}")
            times.append({**setting._asdict(), "nets": _times(setting, modules, files[setting.precision])})
        ratios = all_paired(folding(), tell)
        tell("weighing")
        return {"base": BASE, "times": times, "ratios": ratios, "nets": _weights(modules, files)}


def folding() -> Iterator[Case]:
    """Yield the folded net versus the training form, each as fast as PyTorch makes it."""
    batch = pictures(1)
    for how, runner in {"eager": runners.eager, "compiled": runners.compiled}.items():
        unfolded = zoo.get_model("diracnet18").eval()
        name = f"DiracNet-18, PyTorch, {how}, batch 1: folded / training form"
        yield Case(name, runner(fold(unfolded), batch), runner(unfolded, batch), ROUNDS)


def _times(setting: Setting, modules: Mapping[str, nn.Module], files: Mapping[str, Path]) -> dict[str, Any]:
    batch = pictures(setting.batch)
    calls = {}
    for name in modules:
        match setting.runtime:
            case "ONNX Runtime":
                calls[name] = runners.onnx_runtime(files[name], batch)
            case "OpenVINO":
                calls[name] = runners.openvino(files[name], batch)
            case "PyTorch, eager":
                calls[name] = runners.eager(modules[name], batch)
            case _:
                calls[name] = runners.compiled(modules[name], batch)
    seconds = rotate(calls, setting.rounds)
    return {
        name: {
            "ms": asdict(Spread.of([1000 * one for one in found])),
            "ratio": asdict(Spread.of([one / base for one, base in zip(found, seconds[BASE], strict=True)])),
        }
        for name, found in seconds.items()
    }


def _weights(modules: Mapping[str, nn.Module], files: Mapping[str, Mapping[str, Path]]) -> dict[str, Any]:
    """Return each net's parameters and multiply-adds, and by precision file size, memory and time to an answer."""
    costs: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(FOOTPRINT_ROUNDS):
        for precision, paths in files.items():
            for name, path in paths.items():
                costs.setdefault((name, precision), []).append(cost(["-m", "benchmarks.answer", str(path)]))
    return {
        name: {
            "parameters": sum(parameter.numel() for parameter in module.parameters()),
            "multiply_adds": multiply_adds(module),
            "top1": NETS[name].top1,
            "source": NETS[name].source,
            **{
                precision: {"file_mb": path[name].stat().st_size / 1e6, **asdict(median(costs[name, precision]))}
                for precision, path in files.items()
            },
        }
        for name, module in modules.items()
    }
