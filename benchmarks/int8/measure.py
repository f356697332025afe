"""Measures what each step of the int8 quantization buys, and how fast int8 is."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

import zoo
from benchmarks.pairs import Case, paired
from export import emit, fold
from export.int8.calibration import BEST, PLAIN, Method, calibrate
from export.int8.graph import quantize
from export.int8.places import INT8
from export.int8.record import Quantization
from export.int8.samples import SEED
from export.int8.source import quantize_on_noise
from export.layout import EXACT, INPUT
from export.runtime.sessions import has_vnni, open_session, session_options
from zoo import Checkpoint, DiracNet, Weight, build_from
from zoo.machine import describe, processor
from zoo.nets.conv import DiracConv2d
from zoo.nets.identity import has_identity
from zoo.reference import open_model
from zoo.training.evaluate import check_classes
from zoo.training.sources import load_sample, load_test
from zoo.weights.locate import weight_file

STEPS = {
    "every weight to the nearest whole number, grids that hold every value": PLAIN,
    "+ channels equalized across layers": Method(clip=False, correct=False, round=False),
    "+ scales and grids of least square error": Method(correct=False, round=False),
    "+ biases corrected": Method(round=False),
    "+ weights of a filter rounded together": BEST,
}
"""The steps measured, each on top of those before it; the last one is the one shipped."""
HELD_OUT = 3000
ROUNDS = 40
BATCH = 250


def measure_steps(model: str, data: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """Return what each step buys for one shipped net, and how its layers look.

    Args:
        model: NAME:TAG of a shipped net with a record of its quantization.
        data: the data set it was trained and tested on.
        tell: called with what comes next.

    Raises:
        ValueError: the net is not shipped or has no record, or the data set has other classes.
    """
    tell("reading pictures")
    shipped = _shipped(model)
    preprocessing, weight = shipped.preprocessing, shipped.weight
    count = shipped.record.calibration["pictures"]
    sample = load_sample(data, preprocessing, count + HELD_OUT, SEED).images
    test = load_test(data, preprocessing)
    check_classes(shipped.checkpoint, test, model, data)
    pictures = {"held out": sample[count:], "test": test.images}
    threads = torch.get_num_threads()
    session = _session(shipped.graph, threads)
    expected = {half: _logits(session, images, preprocessing) for half, images in pictures.items()}
    rows = []
    for name, method in STEPS.items():
        tell(f"{model}: {name}")
        record = shipped.record
        if method != BEST:
            record = calibrate(shipped.net, sample[:count], preprocessing, method=method)
        session = _session(quantize(shipped.graph, record), threads)
        found = {half: _logits(session, images, preprocessing) for half, images in pictures.items()}
        rows.append(
            {
                "step": name,
                "held_out_noise": _noise(expected["held out"], found["held out"]),
                "held_out_agreement": _agreement(expected["held out"], found["held out"]),
                "top1": _share(found["test"].argmax(1) == test.targets),
                "agreement": _agreement(expected["test"], found["test"]),
            }
        )
    return {
        "dataset": weight.dataset,
        "test_pictures": len(test),
        "test_sha256": test.sha256(),
        "held_out_pictures": len(pictures["held out"]),
        "calibration": dict(shipped.record.calibration),
        "record_sha256": weight.files[INT8].sha256,
        "top1": _share(expected["test"].argmax(1) == test.targets),
        "steps": rows,
        "layers": list(layers(cast(DiracNet, build_from(shipped.checkpoint)), shipped.net)),
        **environment(),
    }


def measure_overflow(model: str, data: str) -> dict[str, Any]:
    """Return what int8 comes to on a processor without VNNI, with the session entry `EXACT` and without it.

    Args:
        model: NAME:TAG of a shipped net with a record of its quantization.
        data: the data set it was tested on.

    Raises:
        ValueError: int8 does not overflow on this processor; otherwise as `measure_steps`.
    """
    if has_vnni() or platform.machine().lower() not in ("x86_64", "amd64"):
        raise ValueError(f"{processor()}: int8 does not overflow there; measure on an x86 processor without VNNI")
    shipped = _shipped(model)
    preprocessing = shipped.preprocessing
    test = load_test(data, preprocessing)
    check_classes(shipped.checkpoint, test, model, data)
    expected = _logits(_session(shipped.graph, threads=1), test.images, preprocessing)
    quantized = quantize(shipped.graph, shipped.record)
    sessions = {"with": _session(quantized, threads=1), "without": _session(quantized, threads=1, exact=False)}
    found = {name: _logits(session, test.images, preprocessing) for name, session in sessions.items()}
    one = {INPUT: preprocessing.normalize(test.images[:1].permute(0, 3, 1, 2)).contiguous().numpy()}
    first, second = ((lambda session=session: session.run(None, one)) for session in sessions.values())
    ratio = paired(Case("int8, one picture, one thread: with the entry / without", first, second, ROUNDS))
    figures = {
        name: {
            "noise": _noise(expected, logits),
            "agreement": _agreement(expected, logits),
            "top1": _share(logits.argmax(1) == test.targets),
        }
        for name, logits in found.items()
    }
    record = shipped.weight.files[INT8].sha256
    return {**figures, "record_sha256": record, "time": asdict(ratio), **environment()}


def speed_case(rounds: int = ROUNDS) -> Case:
    """Return float32 versus int8: DiracNet-18 in ONNX Runtime, with the same settings and two threads."""
    source, _ = open_model("diracnet18")
    graph = emit(cast(nn.Sequential, fold(build_from(source))))
    picture = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    sessions = [_session(model, threads=2) for model in (graph, quantize(graph, quantize_on_noise(source)))]
    first, second = ((lambda session=session: session.run(None, {INPUT: picture})) for session in sessions)
    return Case("DiracNet-18, 224×224, batch 1, ONNX Runtime, 2 threads: fp32 / int8", first, second, rounds)


@dataclass(frozen=True)
class _Shipped:
    """A shipped net: the record of its quantization, its folded form and that form's float32 graph."""

    weight: Weight
    checkpoint: Checkpoint
    preprocessing: zoo.Preprocessing
    record: Quantization
    net: nn.Sequential
    graph: onnx.ModelProto


def _shipped(model: str) -> _Shipped:
    checkpoint, weight = open_model(model)
    if weight is None or INT8 not in weight.files:
        raise ValueError(f"{model} has no record of its quantization; make it with `diracnet quantize`")
    if checkpoint.preprocessing is None or weight.folder is None:
        raise ValueError(f"{model} is not shipped with this repository")
    net = cast(nn.Sequential, fold(build_from(checkpoint)))
    record = Quantization.load(weight_file(weight, INT8))
    return _Shipped(weight, checkpoint, checkpoint.preprocessing, record, net, emit(net))


def layers(model: DiracNet, folded: nn.Sequential) -> Iterator[dict[str, Any]]:
    """Yield |alpha| / |beta| of each Dirac layer, and the crest factors of its folded filters.

    Filters without an identity are left out, because their alpha has no effect.

    A filter's crest factor is its largest weight relative to the root mean square of its weights: 1 if all weights are
    equally large, and the root of their number if only one is not zero.
    """
    for name, layer in model.named_modules():
        if isinstance(layer, DiracConv2d):
            there = has_identity(layer)
            filters = cast(nn.Conv2d, folded.get_submodule(name)).weight.detach().double().flatten(1)[there]
            ratio = (layer.alpha.detach().abs() / layer.beta.detach().abs().clamp_min(1e-12)).double()
            ratio = ratio.expand(len(there))[there]
            crest = filters.abs().amax(1) / filters.square().mean(1).sqrt().clamp_min(1e-30)
            yield {
                "layer": name,
                "ratio": ratio.median().item(),
                "largest_ratio": ratio.max().item(),
                "crest": crest.median().item(),
                "single_weight": filters.shape[1] ** 0.5,
            }


def _logits(session: onnxruntime.InferenceSession, images: Tensor, preprocessing: zoo.Preprocessing) -> Tensor:
    parts = (preprocessing.normalize(part.permute(0, 3, 1, 2)).contiguous().numpy() for part in images.split(BATCH))
    return torch.cat([torch.from_numpy(session.run(None, {INPUT: part})[0]) for part in parts])


def _session(model: onnx.ModelProto, threads: int, *, exact: bool = True) -> onnxruntime.InferenceSession:
    if exact:
        return open_session(model.SerializeToString(), threads, spinning=False, log_severity_level=3)
    options = session_options(threads)
    options.add_session_config_entry(EXACT[0], "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _noise(expected: Tensor, found: Tensor) -> float:
    """Return the variance of the difference relative to that of the logits, in decibels."""
    return (10 * ((found - expected).double().var() / expected.double().var()).log10()).item()


def _agreement(expected: Tensor, found: Tensor) -> float:
    return _share(found.argmax(1) == expected.argmax(1))


def _share(right: Tensor) -> float:
    return 100 * right.double().mean().item()


def environment() -> dict[str, Any]:
    """Return the machine, whether it has VNNI, and the versions that figures are recorded with."""
    return {**describe(("torch", "onnx", "onnxruntime", "numpy")), "vnni": has_vnni()}
