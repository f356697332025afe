"""What each step of the int8 quantization buys, and what int8 buys: writes docs/int8.json and docs/int8.md.

`python -m benchmarks.int8 steps NAME:TAG --data DATA` measures a shipped net, `… speed` the time; `… overflow NAME:TAG
--data DATA` measures on a processor without VNNI what int8 comes to without the session entry that it needs there.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import onnx
import onnxruntime
import torch
import typer
from rich.console import Console
from rich.markup import escape
from torch import Tensor, nn

import zoo
from benchmarks.int8_page import page
from benchmarks.pairs import Case, paired
from benchmarks.runners import options
from export import emit, fold
from export.int8.calibration import BEST, PLAIN, Method, calibrate
from export.int8.graph import quantize
from export.int8.record import Quantization
from export.int8.samples import SEED
from export.int8.source import INT8, quantize_on_noise
from export.layout import EXACT, INPUT
from export.runtime.sessions import has_vnni
from zoo import Checkpoint, DiracNet, Weight, build_from
from zoo.command_line import run
from zoo.files import read_json, replace_file, write_json
from zoo.machine import processor
from zoo.nets.conv import DiracConv2d
from zoo.reference import open_model
from zoo.training.data import Pictures
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
"""What is measured, each with all that stands before it; the last is what is shipped."""
HELD_OUT = 3000
ROUNDS = 40
BATCH = 250
app = typer.Typer(add_completion=False, help=__doc__)
Model = Annotated[str, typer.Argument(help="NAME:TAG of a shipped net with a record of its quantization.")]
Data = Annotated[str, typer.Option(help="The data set that it was trained and tested on.")]
Docs = Annotated[Path, typer.Option(help="The folder that has int8.json and int8.md.")]


@app.command()
def steps(model: Model, data: Data, docs: Docs = Path("docs")) -> None:
    """Measure what each step buys for one net."""
    with Console(stderr=True).status("reading pictures") as status:
        result = _steps(model, data, status)
    written = _read(docs)
    written["nets"] = {**written.get("nets", {}), model: result}
    overflows = written.get("overflow", {})
    if model in overflows and overflows[model]["record_sha256"] != result["record_sha256"]:
        del overflows[model]  # measured of another file
    _write(docs, written)


@app.command()
def speed(docs: Docs = Path("docs")) -> None:
    """Time DiracNet-18 in float32 and in int8, in alternation."""
    case = speed_case()
    ratio = paired(case)
    print(f"{ratio.name}: {ratio.median:.2f} ({ratio.low:.2f} – {ratio.high:.2f})")
    _write(docs, {**_read(docs), "speed": {**asdict(ratio), **_environment()}})


@app.command()
def overflow(model: Model, data: Data, docs: Docs = Path("docs")) -> None:
    """Measure a shipped net on a processor without VNNI, with the session entry that int8 needs there and without."""
    if has_vnni() or platform.machine().lower() not in ("x86_64", "amd64"):
        raise ValueError(f"{processor()}: int8 does not overflow there; measure on an x86 processor without VNNI")
    shipped = _shipped(model)
    preprocessing = shipped.preprocessing
    test = _test(model, shipped, data)
    expected = _logits(_session(shipped.graph, threads=1), test.images, preprocessing)
    whole = quantize(shipped.graph, shipped.record)
    sessions = {"with": _session(whole, threads=1), "without": _session(whole, threads=1, exact=False)}
    found = {name: _logits(session, test.images, preprocessing) for name, session in sessions.items()}
    one = {INPUT: preprocessing.normalize(test.images[:1].permute(0, 3, 1, 2)).contiguous().numpy()}
    first, second = ((lambda session=session: session.run(None, one)) for session in sessions.values())
    ratio = paired(Case("int8, one picture, one thread: with the entry / without", first, second, ROUNDS))
    result = {
        name: {
            "noise": _noise(expected, logits),
            "agreement": _agreement(expected, logits),
            "top1": _share(logits.argmax(1) == test.targets),
        }
        for name, logits in found.items()
    }
    written = _read(docs)
    record = shipped.weight.files[INT8].sha256
    figures = {**result, "record_sha256": record, "time": asdict(ratio), **_environment()}
    written["overflow"] = {**written.get("overflow", {}), model: figures}
    _write(docs, written)


def speed_case(rounds: int = ROUNDS) -> Case:
    """Return the case of DiracNet-18 in ONNX Runtime, both forms with the same settings and two threads."""
    source, _ = open_model("diracnet18")
    graph = emit(cast(nn.Sequential, fold(build_from(source))))
    picture = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    sessions = [_session(model, threads=2) for model in (graph, quantize(graph, quantize_on_noise(source)))]
    first, second = ((lambda session=session: session.run(None, {INPUT: picture})) for session in sessions)
    return Case("DiracNet-18, 224×224, batch 1, ONNX Runtime, 2 threads: fp32 / int8", first, second, rounds)


@dataclass(frozen=True)
class _Shipped:
    """A shipped net, the record of its quantization, its folded form and the float32 graph of that."""

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


def _test(model: str, shipped: _Shipped, data: str) -> Pictures:
    test = load_test(data, shipped.preprocessing)
    check_classes(shipped.checkpoint, test, model, data)
    return test


def _steps(model: str, data: str, status: Any) -> dict[str, Any]:
    shipped = _shipped(model)
    preprocessing, weight = shipped.preprocessing, shipped.weight
    count = shipped.record.calibration["pictures"]
    sample = load_sample(data, preprocessing, count + HELD_OUT, SEED)
    test = _test(model, shipped, data)
    pictures = {"held out": sample[count:], "test": test.images}
    threads = torch.get_num_threads()
    session = _session(shipped.graph, threads)
    expected = {half: _logits(session, images, preprocessing) for half, images in pictures.items()}
    rows = []
    for name, method in STEPS.items():
        status.update(escape(f"{model}: {name}"))
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
        "layers": list(_layers(cast(DiracNet, build_from(shipped.checkpoint)), shipped.net)),
        **_environment(),
    }


def _layers(model: DiracNet, folded: nn.Sequential) -> Iterator[dict[str, Any]]:
    """Yield of each Dirac layer |alpha| / |beta| and the crest factors of its folded filters.

    A filter's crest factor is its largest weight relative to the root of its mean square weight. It is 1 where all
    weights are equally large, and the root of their number where there is one alone.
    """
    for name, layer in model.named_modules():
        if isinstance(layer, DiracConv2d):
            filters = cast(nn.Conv2d, folded.get_submodule(name)).weight.detach().double().flatten(1)
            ratio = (layer.alpha.detach().abs() / layer.beta.detach().abs().clamp_min(1e-12)).double()
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


def _session(model: onnx.ModelProto, threads: int, exact: bool = True) -> onnxruntime.InferenceSession:
    chosen = options(threads)
    if not exact:
        chosen.add_session_config_entry(EXACT[0], "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), chosen, providers=["CPUExecutionProvider"])


def _noise(expected: Tensor, found: Tensor) -> float:
    """Return the variance of the difference relative to that of the logits, in decibels."""
    return (10 * ((found - expected).double().var() / expected.double().var()).log10()).item()


def _agreement(expected: Tensor, found: Tensor) -> float:
    return _share(found.argmax(1) == expected.argmax(1))


def _share(right: Tensor) -> float:
    return 100 * right.double().mean().item()


def _environment() -> dict[str, Any]:
    names = ("torch", "onnx", "onnxruntime", "numpy")
    return {
        "machine": processor(),
        "vnni": has_vnni(),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in names}},
    }


def _read(docs: Path) -> dict[str, Any]:
    return read_json(docs / "int8.json") if (docs / "int8.json").is_file() else {}


def _write(docs: Path, result: dict[str, Any]) -> None:
    write_json(docs / "int8.json", result)
    with replace_file(docs / "int8.md") as temporary:
        temporary.write_text(page(read_json(docs / "int8.json")), encoding="utf-8")
    print(f"{docs / 'int8.json'} and {docs / 'int8.md'} written")


if __name__ == "__main__":
    run(app)
