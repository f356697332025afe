"""`make mcu`: run the shipped nets on boards in QEMU and in TFLM; write docs/devices.json and docs/devices.md."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from benchmarks.report import write_report
from export.c.plan import Plan, plan
from export.c.run import run_c
from export.c.source import Origin, write_c
from export.folding.folded import FoldedNet
from export.int8.source import known_quantization
from export.integer.net import OFFSET, Convolution, lower
from export.integer.run import evaluate
from export.litert.int8 import emit_int8
from export.litert.interpreter import Interpreter
from pixels.mosaics import mosaics
from runtimes.mcu.board import BOARDS, COMPILER, EMULATOR, lacking, program_version, run_on
from runtimes.mcu.micro import run_micro
from runtimes.mcu.page import page
from zoo import Weight, load_weight
from zoo.command_line import run
from zoo.machine import describe
from zoo.training.evaluate import check_classes
from zoo.training.sources import load_test
from zoo.weights.record import all_weights

CELLS = (2, 7)
"""Squares of the mosaics that the boards see."""
REFERENCE = 200
"""How many test pictures LiteRT's reference kernels see, which are slow; evenly spaced."""


def main(
    data: Annotated[
        list[str] | None, typer.Option(help="A data set's folder, for accuracy on its test pictures; may be repeated.")
    ] = None,
    count: Annotated[
        int, typer.Option("--pictures", min=1, help="At most how many test pictures to measure accuracy on.")
    ] = 10_000,
    docs: Annotated[Path, typer.Option(help="Folder for devices.json and devices.md.")] = Path("docs"),
) -> None:
    """Measure the shipped nets as plain C on microcontrollers."""
    if missing := lacking():
        raise FileNotFoundError(f"missing: {', '.join(missing)}; `make mcu` installs them on Debian and Ubuntu")
    nets = {}
    with Console(stderr=True).status("measuring") as status:
        for record in all_weights().values():
            if record.folder:
                name = f"{record.model}:{record.tag}"
                nets[name] = _measure(record, data or [], count, partial(_tell, status, name))
    machine = describe(("ai-edge-litert", "tflite-micro", "numpy"))
    result = {
        "nets": nets,
        "machine": machine["machine"],
        "versions": {
            **machine["versions"],
            **{program: program_version(program) for program in (COMPILER, EMULATOR)},
        },
        "pictures": len(CELLS),
    }
    write_report(docs / "devices.json", result, page)


def _tell(status: Status, name: str, text: str) -> None:
    status.update(escape(f"{name}: {text}"))


def _measure(record: Weight, data: list[str], count: int, tell: Callable[[str], None]) -> dict[str, Any]:
    tell("folding")
    folded = FoldedNet.of(load_weight(record, "folded"))
    preprocessing = folded.checkpoint.known_preprocessing()
    net = lower(folded.net, known_quantization(folded, record), preprocessing)
    planned, name = plan(net), record.model
    sources = write_c(net, Origin(name, record.tag, record.files["folded"].sha256, None, ()), preprocessing)
    pictures = mosaics(net.size, len(net.normalization.bias), CELLS)
    expected = evaluate(net, pictures)
    found: dict[str, Any] = {
        "multiply_adds": _products(planned),
        "largest_map": planned.largest_map.bytes,
        "row": planned.largest_map.row,
        "scratch": planned.scratch,
        "boards": {},
    }
    for board in BOARDS:
        tell(board.name)
        measured = run_on(board, sources, name, pictures)
        found["boards"][board.name] = {
            "flash": measured.flash,
            "stack": measured.stack,
            "instructions": measured.instructions,
            "differing_logits": int((measured.logits != expected).sum()),
        }
    with TemporaryDirectory() as temporary:
        model = Path(temporary) / "model.tflite"
        model.write_bytes(emit_int8(net).to_bytes())
        tell("TensorFlow Lite Micro")
        logits, arena = run_micro(model, _codes(pictures))
        found["micro"] = {
            "arena": arena,
            "model": model.stat().st_size,
            "differing_logits": int((logits != expected).sum()),
        }
        for folder in data:
            test = load_test(folder, preprocessing)
            try:
                check_classes(folded.checkpoint, test, name, folder)
            except ValueError:
                continue
            tell(f"the test pictures in {folder}")
            images, targets = (torch.cat(parts) for parts in zip(*test.in_order(250), strict=True))
            step = max(1, len(images) // count)
            images, targets = images[::step], targets[::step]
            found["accuracy"] = _accuracy(folded, sources, name, images, targets.numpy(), model)
    return found


def _accuracy(
    folded: FoldedNet,
    sources: dict[str, str],
    name: str,
    images: torch.Tensor,
    targets: NDArray[Any],
    model: Path,
) -> dict[str, Any]:
    """Compare the answers of C with those of the float net and, to the bit, with LiteRT's reference kernels."""
    preprocessing = folded.checkpoint.known_preprocessing()
    pictures = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
    logits = run_c(sources, name, pictures, ("-O3", "-march=native"))
    with torch.inference_mode():
        exact = torch.cat([folded.net(preprocessing.normalize(part)) for part in images.split(250)]).numpy()
    chosen = pictures[:: max(1, len(pictures) // REFERENCE)]
    reference = Interpreter(model, "reference")
    same = np.concatenate([reference.run(_codes(part)) for part in np.array_split(chosen, max(1, len(chosen) // 50))])
    fast = Interpreter(model, threads=torch.get_num_threads())
    default = np.concatenate(
        [fast.run(_codes(part)) for part in np.array_split(pictures, max(1, len(pictures) // 250))]
    )
    return {
        "pictures": len(pictures),
        "float32": 100 * float((exact.argmax(1) == targets).mean()),
        "int8": 100 * float((logits.argmax(1) == targets).mean()),
        "litert_default": 100 * float((default.argmax(1) == targets).mean()),
        "agreement": 100 * float((logits.argmax(1) == exact.argmax(1)).mean()),
        "reference_pictures": len(chosen),
        "differing_logits": int((logits[:: max(1, len(pictures) // REFERENCE)] != same).sum()),
    }


def _codes(pictures: NDArray[np.uint8]) -> NDArray[np.int8]:
    return (pictures.astype(np.int16) - OFFSET).astype(np.int8)


def _products(planned: Plan) -> int:
    """Return how many multiply-adds a picture takes."""
    total = 0
    for place in planned.places:
        if isinstance(place.step, Convolution):
            pixels = place.output.size**2 if place.output is not None else 1
            total += pixels * place.step.weight.size
    return total


if __name__ == "__main__":
    run(lambda: typer.run(main))
