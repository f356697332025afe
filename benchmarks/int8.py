"""What each step of the int8 quantization buys, and what int8 buys: writes docs/int8.json and docs/int8.md.

`python -m benchmarks.int8 steps NAME:TAG --data DATA` measures a shipped net, `… speed` the time.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict
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
from export import emit, fold
from export.calibration import BEST, PLAIN, Method, calibrate
from export.layout import INPUT
from export.quantization import Quantization
from export.quantized_graph import quantize
from export.quantizing import INT8, quantize_on_noise
from export.samples import SEED
from zoo import Checkpoint, DiracNet, Weight
from zoo.command_line import run
from zoo.conv import DiracConv2d
from zoo.files import read_json, replace_file, write_json
from zoo.hub import weight_file
from zoo.reference import open_model
from zoo.training.environment import processor
from zoo.training.evaluate import check_classes
from zoo.training.sources import load_sample, load_test

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
Docs = Annotated[Path, typer.Option(help="The folder that has int8.json and int8.md.")]


@app.command()
def steps(
    model: Annotated[str, typer.Argument(help="NAME:TAG of a shipped net with a record of its quantization.")],
    data: Annotated[str, typer.Option(help="The data set that it was trained and tested on.")],
    docs: Docs = Path("docs"),
) -> None:
    """Measure what each step buys for one net."""
    checkpoint, weight = open_model(model)
    if weight is None or INT8 not in weight.files:
        raise ValueError(f"{model} has no record of its quantization; make it with `diracnet quantize`")
    with Console(stderr=True).status("reading pictures") as status:
        result = _steps(checkpoint, weight, data, status)
    written = _read(docs)
    written["nets"] = {**written.get("nets", {}), model: result}
    _write(docs, written)


@app.command()
def speed(docs: Docs = Path("docs")) -> None:
    """Time DiracNet-18 in float32 and in int8, in alternation."""
    case = speed_case()
    ratio = paired(case)
    print(f"{ratio.name}: {ratio.median:.2f} ({ratio.low:.2f} – {ratio.high:.2f})")
    _write(docs, {**_read(docs), "speed": {**asdict(ratio), **_environment()}})


def speed_case(rounds: int = ROUNDS) -> Case:
    """Return the case of DiracNet-18 in ONNX Runtime, both forms with the same settings and two threads."""
    source, _ = open_model("diracnet18")
    graph = emit(cast(nn.Sequential, fold(source.model())))
    picture = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    sessions = [_session(model, threads=2) for model in (graph, quantize(graph, quantize_on_noise(source)))]
    first, second = ((lambda session=session: session.run(None, {INPUT: picture})) for session in sessions)
    return Case("DiracNet-18, 224×224, batch 1, ONNX Runtime, 2 threads: fp32 / int8", first, second, rounds)


def _steps(checkpoint: Checkpoint, weight: Weight, data: str, status: Any) -> dict[str, Any]:
    preprocessing = checkpoint.preprocessing
    if preprocessing is None or weight.folder is None:
        raise ValueError(f"{weight.model}:{weight.tag} is not shipped with this repository")
    shipped = Quantization.load(weight_file(weight, INT8))
    count = shipped.calibration["pictures"]
    sample = load_sample(data, preprocessing, count + HELD_OUT, SEED)
    test = load_test(data, preprocessing)
    check_classes(checkpoint, test, f"{weight.model}:{weight.tag}", data)
    net = cast(nn.Sequential, fold(checkpoint.model()))
    graph = emit(net)
    pictures = {"held out": sample[count:], "test": test.images}
    expected = {half: _logits(graph, images, preprocessing) for half, images in pictures.items()}
    rows = []
    for name, method in STEPS.items():
        status.update(escape(f"{weight.model}:{weight.tag}: {name}"))
        record = shipped if method == BEST else calibrate(net, sample[:count], preprocessing, method=method)
        model = quantize(graph, record)
        found = {half: _logits(model, images, preprocessing) for half, images in pictures.items()}
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
        "calibration": dict(shipped.calibration),
        "record_sha256": weight.files[INT8].sha256,
        "top1": _share(expected["test"].argmax(1) == test.targets),
        "steps": rows,
        "layers": list(_layers(cast(DiracNet, checkpoint.model()), net)),
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


def _logits(model: onnx.ModelProto, images: Tensor, preprocessing: zoo.Preprocessing) -> Tensor:
    session = _session(model, threads=torch.get_num_threads())
    parts = (preprocessing.normalize(part.permute(0, 3, 1, 2)).contiguous().numpy() for part in images.split(BATCH))
    return torch.cat([torch.from_numpy(session.run(None, {INPUT: part})[0]) for part in parts])


def _session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait would steal the processor from the other one of a pair.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _noise(expected: Tensor, found: Tensor) -> float:
    """Return the variance of the difference relative to that of the logits, in decibels."""
    return (10 * ((found - expected).double().var() / expected.double().var()).log10()).item()


def _agreement(expected: Tensor, found: Tensor) -> float:
    return _share(found.argmax(1) == expected.argmax(1))


def _share(right: Tensor) -> float:
    return 100 * right.double().mean().item()


def _environment() -> dict[str, Any]:
    names = ("torch", "onnx", "onnxruntime", "numpy")
    return {"machine": processor(), "versions": {"python": platform.python_version(), **{n: version(n) for n in names}}}


def _read(docs: Path) -> dict[str, Any]:
    return read_json(docs / "int8.json") if (docs / "int8.json").is_file() else {}


def _write(docs: Path, result: dict[str, Any]) -> None:
    write_json(docs / "int8.json", result)
    with replace_file(docs / "int8.md") as temporary:
        temporary.write_text(page(read_json(docs / "int8.json")), encoding="utf-8")
    print(f"{docs / 'int8.json'} and {docs / 'int8.md'} written")


if __name__ == "__main__":
    run(app)
