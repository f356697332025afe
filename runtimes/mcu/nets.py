"""The shipped nets, measured: C on boards, on this computer and on test pictures; TensorFlow Lite Micro."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from export.c.plan import Plan, plan
from export.c.run import run_c
from export.c.source import Origin, write_c
from export.folding.folded import FoldedNet
from export.graphs.emit import emit
from export.int8.graph import quantize
from export.int8.source import known_quantization
from export.integer.net import Convolution, lower
from export.integer.run import evaluate
from export.litert.int8 import emit_int8
from pixels.mosaics import mosaics
from runtimes.mcu.answers import Answers, codes, litert, measured
from runtimes.mcu.board import BOARDS, run_on
from runtimes.mcu.micro import run_micro
from runtimes.mcu.speed import FLAGS, speed
from zoo import Weight, load_weight
from zoo.training.evaluate import check_classes
from zoo.training.sources import load_test

CELLS = (2, 7)
"""Squares of the mosaics that the boards see."""


def measure(record: Weight, data: Sequence[str], count: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of a shipped net.

    Args:
        record: its weights.
        data: data sets; those of other classes are passed over.
        count: at most how many test pictures to measure accuracy on.
        tell: called with what comes next.
    """
    tell("folding")
    folded = FoldedNet.of(load_weight(record, "folded"))
    preprocessing = folded.checkpoint.known_preprocessing()
    quantization = known_quantization(folded, record)
    net = lower(folded.net, quantization, preprocessing)
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
        on_board = run_on(board, sources, name, pictures)
        found["boards"][board.name] = {
            "flash": on_board.flash,
            "stack": on_board.stack,
            "instructions": on_board.instructions,
            "differing_logits": int((on_board.logits != expected).sum()),
        }
    tell("this computer")
    graph = quantize(emit(folded.net), quantization).SerializeToString()
    found["speed"] = speed(sources, name, graph, pictures[0], preprocessing)
    with TemporaryDirectory() as temporary:
        model = Path(temporary) / "model.tflite"
        model.write_bytes(emit_int8(net).to_bytes())
        tell("TensorFlow Lite Micro")
        logits, arena = run_micro(model, codes(pictures))
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
            answers = Answers.of(folded.net, preprocessing, test, count)
            in_c = run_c(sources, name, answers.pictures, FLAGS)
            reference = litert(model, answers.pictures[answers.chosen], "reference")
            found["accuracy"] = {
                **measured(answers, in_c, litert(model, answers.pictures, "default")),
                "reference_pictures": len(reference),
                "differing_logits": int((in_c[answers.chosen] != reference).sum()),
            }
    return found


def _products(planned: Plan) -> int:
    """Return how many multiply-adds a picture takes."""
    total = 0
    for place in planned.places:
        if isinstance(place.step, Convolution):
            pixels = place.output.size**2 if place.output is not None else 1
            total += pixels * place.step.weight.size
    return total
