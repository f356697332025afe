"""The work of `diracnet predict`: opens a net in either runtime and prints its answers as they arrive."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from export.layout import GRAPH
from export.runtime.answers import Answer, Net, answer
from pixels import PassedOver, find_pictures
from zoo.lacking import lacking
from zoo.weights.reference import File, Folder, Hub, parse_reference

_FEW = 5
"""With fewer pictures than this, no progress bar is shown."""


class PicturesFailedError(RuntimeError):
    """Some pictures could not be read; the others were classified."""

    exit_status = 1  # of the command line: the call was valid, the pictures were not


def open_net(model: str, *, precision: str | None, threads: int, providers: Sequence[str] | None) -> Net:
    """Open the net that the command line names.

    Args:
        model: a bundle's folder, an .onnx file or `ORG/NAME` on the Hub, for ONNX Runtime; or anything else that
            `zoo.reference.open_model` takes, for PyTorch.
        precision: which graph of a bundle to run.
        threads: threads within an operator; 0 lets the runtime choose.
        providers: ONNX Runtime's execution providers, in order of preference; the CPU by default.

    Raises:
        ValueError, FileNotFoundError, RuntimeError: the net does not exist, or an option does not apply to it.
    """
    reference = parse_reference(model)
    graph_missing: FileNotFoundError | None = None
    match reference:
        case Hub():
            is_graph = True
        case Folder(path):
            is_graph = (path / GRAPH).is_file()
        case File(path):
            is_graph = path.suffix == ".onnx"
        case _:
            is_graph = False
    if is_graph:
        from export.runtime import Classifier
        from export.runtime.sessions import CPU

        try:
            return Classifier(model, precision=precision, threads=threads, providers=providers or [CPU])
        except FileNotFoundError as missing:
            # A repository without graphs may hold what `push_to_hub` saved.
            if not isinstance(reference, Hub) or precision is not None or providers is not None:
                raise
            graph_missing = missing
    for option, value in (("precision", precision), ("providers", providers)):
        if value is not None:
            given = value if isinstance(value, str) else ",".join(value)
            raise ValueError(f"{option}={given!r} is for bundles, .onnx files and repositories, which {model} is not")
    if find_spec("export.commands.torch_classifier") is None:
        raise ValueError(f"{model} is no bundle, .onnx file or ORG/NAME; {lacking('all else')}")
    try:
        from export.commands.torch_classifier import TorchClassifier

        return TorchClassifier(model, threads=threads)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise graph_missing or error from None


def print_answers(
    net: Net, name: str, images: Sequence[Path], *, top: int, batch_size: int, threads: int, as_json: bool
) -> None:
    """Classify pictures, including all pictures below folders, and print the answers one by one, in order.

    Args:
        net: the net that classifies them.
        name: the net's name, for messages.
        images: picture files and folders of pictures.
        top: number of classes to print per picture.
        batch_size: number of pictures that the net computes at a time.
        threads: threads that read pictures; 0 for one per core.
        as_json: print one JSON array instead of lines.

    Raises:
        PicturesFailedError: at the end, if some pictures could not be read; each has been reported in its turn.
    """
    passed_over = PassedOver()
    paths = find_pictures(images, passed_over)
    if passed_over:
        print(f"passed over: {passed_over}", file=sys.stderr)
    readers = min(threads or os.cpu_count() or 1, len(paths))
    if net.untrained and not as_json:
        print(f"{name} is untrained: these answers mean nothing", file=sys.stderr)
    answers = answer(net, paths, top=top, batch_size=batch_size, readers=readers)
    # On one terminal, the bar and the pieces of JSON would get mixed up.
    if len(paths) >= _FEW and find_spec("rich") and sys.stderr.isatty() and not (as_json and sys.stdout.isatty()):
        answers = _followed(answers, len(paths))
    with warnings.catch_warnings():
        # Pillow warns about large pictures and damaged metadata; problems that matter here raise errors.
        warnings.filterwarnings("ignore", module="PIL")
        failed = _print_json(answers, net) if as_json else _print_lines(answers)
    if failed:
        raise PicturesFailedError(f"{failed} of {len(paths)} pictures could not be read")


def _print_lines(answers: Iterator[Answer]) -> int:
    """Print one line per picture; return how many failed."""
    failed = 0
    for one in answers:
        if one.error is not None:
            failed += 1
            print(f"error: {one.error}", file=sys.stderr)
        else:
            classes = ", ".join(f"{each.label} {each.probability:.1%}" for each in one.classes)
            print(f"{one.path}: {classes}", flush=True)
    return failed


def _print_json(answers: Iterator[Answer], net: Net) -> int:
    """Print a JSON array, piece by piece; return how many pictures failed."""
    failed, before = 0, "[\n"
    for one in answers:
        row: dict[str, Any] = {"image": str(one.path)}
        if one.error is not None:
            failed += 1
            print(f"error: {one.error}", file=sys.stderr)
            row |= {"error": one.error}
        else:
            row |= {"untrained": net.untrained, "classes": [asdict(each) for each in one.classes]}
        print(before, textwrap.indent(json.dumps(row, indent=2, ensure_ascii=False), "  "), sep="", end="", flush=True)
        before = ",\n"
    print("\n]")
    return failed


def _followed(answers: Iterator[Answer], total: int) -> Iterator[Answer]:
    """Pass the answers on while showing a progress bar."""
    from rich.console import Console
    from rich.progress import Progress

    # Lines printed to a terminal belong above the bar; lines printed to a file must not be diverted to the terminal.
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        yield from bar.track(answers, total=total, description="predicting")
