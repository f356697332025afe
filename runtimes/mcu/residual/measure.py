"""Residual nets, measured: what TensorFlow Lite Micro needs for them, and how accurate they are once trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from benchmarks.comparators import TinyResNet, resnet20
from benchmarks.nets import multiply_adds
from benchmarks.paper.runs import RECORDED
from export.int8.samples import draw_pictures
from pixels.mosaics import mosaics
from runtimes.mcu.answers import Answers, codes, litert, measured
from runtimes.mcu.micro import run_micro
from runtimes.mcu.residual.calibrate import calibrate_residual, folded_residual
from runtimes.mcu.residual.emit import emit_residual
from zoo import Preprocessing, get_weight
from zoo.files import read_json
from zoo.training.run_folder import RunFolder
from zoo.training.sources import load_test
from zoo.weights.checkpoint import load_strictly

NETS: dict[str, Callable[..., TinyResNet]] = {"resnet8": TinyResNet, "resnet20": resnet20}
BESIDE = ("diracnet10_cifar", "cifar10")
"""The net whose pictures and classes they have."""
SEED = 0
"""Of the weights where they are untrained."""
_CALIBRATION_CELLS, _CELLS = (1, 4), (2, 7)


def measure_residual(
    runs: Sequence[Path], data: str | None, count: int, tell: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Return the figures of the residual nets by name.

    Args:
        runs: folders of finished runs of `python -m benchmarks.paper beside`; nets without one keep random weights,
            with which only memory is measured.
        data: the data set that the runs were trained on, or None to leave out accuracy.
        count: at most how many test pictures to measure accuracy on.
        tell: called with what comes next.

    Raises:
        ValueError: a folder holds no finished run of one of these nets.
    """
    trained = {_net_of(folder): folder for folder in runs}
    found = {}
    for name in NETS:
        tell(name)
        found[name] = _measure(name, trained.get(name), data, count)
    return found


def _net_of(folder: Path) -> str:
    """Return the name of the net that was trained in a folder."""
    run = RunFolder(folder)
    if not run.result.is_file():
        raise ValueError(f"{folder} holds no finished run: it has no {run.result.name}")
    name = next((key for key in NETS if RECORDED[key] == read_json(run.request)["net"]), None)
    if name is None:
        raise ValueError(f"{folder} holds a run of another net; allowed are {', '.join(NETS)}")
    return name


def _measure(name: str, folder: Path | None, data: str | None, count: int) -> dict[str, Any]:
    weight = get_weight(*BESIDE)
    preprocessing = weight.preprocessing
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        net = NETS[name](weight.spec)
    if folder is not None:
        # Runs of comparators keep their last state alone, because model files are those of DiracNets.
        state = RunFolder(folder).load()
        if state is None:
            raise ValueError(f"{folder} has no state.pt, which holds the weights")
        load_strictly(net, state["model"], str(folder))
        preprocessing = Preprocessing.from_dict(read_json(RunFolder(folder).request)["preprocessing"])
    folded = folded_residual(net)
    noise = (_noise(preprocessing, _CALIBRATION_CELLS), {"source": "noise, because the net is untrained"})
    given, origin = draw_pictures(data, preprocessing) if folder is not None and data is not None else noise
    record = calibrate_residual(folded, given, preprocessing, origin)
    found: dict[str, Any] = {"multiply_adds": multiply_adds(folded, preprocessing.size)}
    with TemporaryDirectory() as temporary:
        model = Path(temporary) / "model.tflite"
        model.write_bytes(emit_residual(folded, record, preprocessing).to_bytes())
        pictures = _noise(preprocessing, _CELLS).numpy()
        logits, arena = run_micro(model, codes(pictures))
        differing = int((logits != litert(model, pictures, "reference")).sum())
        found["micro"] = {"arena": arena, "model": model.stat().st_size, "differing_logits": differing}
        if folder is not None and data is not None:
            answers = Answers.of(folded, preprocessing, load_test(data, preprocessing), count)
            default = litert(model, answers.pictures, "default")
            chosen = answers.pictures[answers.chosen]
            micro, _ = run_micro(model, codes(chosen))
            found["accuracy"] = {
                **measured(answers, default, default),
                "calibration": origin,
                "reference_pictures": len(chosen),
                "differing_logits": int((micro != litert(model, chosen, "reference")).sum()),
                "seed": read_json(RunFolder(folder).request)["seed"],
                "epochs": read_json(RunFolder(folder).request)["recipe"]["epochs"],
            }
    return found


def _noise(preprocessing: Preprocessing, cells: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(mosaics(preprocessing.size, len(preprocessing.mean), cells))
