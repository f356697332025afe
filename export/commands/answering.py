"""The work of `diracnet predict`: opens a net in either runtime and prints its answers as they arrive."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from export.layout import GRAPH
from export.runtime.answers import Answer, Net, answer
from pixels import STDIN, PassedOver, find_pictures, is_url
from zoo.lacking import lacking
from zoo.printing import progress, say, say_json_array
from zoo.weights.reference import File, Folder, Hub, Tagged, parse_reference

_FEW = 5
"""With fewer pictures than this, no progress bar is shown."""


class PicturesFailedError(RuntimeError):
    """Some pictures could not be read; the others were classified."""

    exit_status = 1  # of the command line: the call was valid, the pictures were not


def open_net(
    model: str, *, precision: str | None, threads: int, providers: Sequence[str] | None, mirror: Path | None = None
) -> Net:
    """Open the net that the command line names.

    Args:
        model: a bundle's folder, an .onnx file or `ORG/NAME` on the Hub, for ONNX Runtime; or anything else that
            `zoo.reference.open_model` takes, for PyTorch.
        precision: which graph of a bundle to run.
        threads: threads within an operator; 0 lets the runtime choose.
        providers: ONNX Runtime's execution providers, in order of preference; the CPU by default.
        mirror: a folder to take the weights of `NAME:TAG` from.

    Raises:
        ValueError, FileNotFoundError, RuntimeError: the net does not exist, or an option does not apply to it.
    """
    reference = parse_reference(model)
    graph_missing: FileNotFoundError | None = None
    if mirror is not None and not isinstance(reference, Tagged):
        raise ValueError(f"--from {mirror} is where the weights of NAME:TAG are, and {model} is no NAME:TAG")
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
        if graph_missing is not None:
            raise graph_missing
        raise ValueError(f"{model} is no bundle, .onnx file or ORG/NAME; {lacking('all else')}")
    try:
        from export.commands.torch_classifier import TorchClassifier

        return TorchClassifier(model, threads=threads, mirror=mirror)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise graph_missing or error from None


def print_answers(
    net: Net, name: str, images: Sequence[str], *, top: int, batch_size: int, threads: int, as_json: bool
) -> None:
    """Classify pictures, including all pictures below folders, and print the answers one by one, in order.

    Args:
        net: the net that classifies them.
        name: the net's name, for messages.
        images: picture files, folders of pictures, http and https addresses, and "-" for standard input.
        top: number of classes to print per picture.
        batch_size: number of pictures that the net computes at a time.
        threads: threads that read pictures; 0 for one per core.
        as_json: print one JSON array instead of lines.

    Raises:
        ValueError: standard input is named twice.
        PicturesFailedError: at the end, if some pictures could not be answered; each has been reported in its turn.
    """
    passed_over = PassedOver()
    paths = _sources(images, passed_over)
    if passed_over:
        say(f"passed over: {passed_over}", error=True)
    readers = min(threads or os.cpu_count() or 1, len(paths))
    if net.untrained and not as_json:
        say(f"{name} is untrained: these answers mean nothing", error=True)
    answers = answer(net, paths, top=top, batch_size=batch_size, readers=readers)
    # On one terminal, the bar and the pieces of JSON would get mixed up.
    if len(paths) >= _FEW and find_spec("rich") and sys.stderr.isatty() and not (as_json and sys.stdout.isatty()):
        answers = _followed(answers, len(paths))
    with warnings.catch_warnings():
        # Pillow warns about large pictures and damaged metadata; problems that matter here raise errors.
        warnings.filterwarnings("ignore", module="PIL")
        failed = _print_json(answers, net) if as_json else _print_lines(answers)
    if failed:
        raise PicturesFailedError(f"{failed} of {len(paths)} pictures could not be answered")


def _sources(images: Sequence[str], passed_over: PassedOver) -> list[str | Path]:
    """Return the pictures that arguments stand for, in their order; addresses and standard input stay as they are."""
    if images.count(STDIN) > 1:
        raise ValueError(f"{STDIN} is given {images.count(STDIN)} times; standard input holds one picture")
    sources: list[str | Path] = []
    for image in images:
        if image == STDIN or is_url(image):
            sources.append(image)
        else:
            sources += find_pictures([Path(image)], passed_over)
    return sources


def _print_lines(answers: Iterator[Answer]) -> int:
    """Print one line per picture; return how many failed."""
    failed = 0
    for one in answers:
        if one.error is not None:
            failed += 1
            say(f"error: {one.error}", error=True)
        else:
            classes = ", ".join(f"{each.label} {each.probability:.1%}" for each in one.classes)
            say(f"{_name(one)}: {classes}")
    return failed


def _print_json(answers: Iterator[Answer], net: Net) -> int:
    """Print a JSON array, piece by piece; return how many pictures failed."""
    failed = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal failed
        for one in answers:
            if one.error is not None:
                failed += 1
                say(f"error: {one.error}", error=True)
                yield {"image": _name(one), "error": one.error}
            else:
                classes = [asdict(each) for each in one.classes]
                yield {"image": _name(one), "untrained": net.untrained, "classes": classes}

    say_json_array(rows())
    return failed


def _name(one: Answer) -> str:
    return "standard input" if one.source == STDIN else str(one.source)


def _followed(answers: Iterator[Answer], total: int) -> Iterator[Answer]:
    """Pass the answers on while showing a progress bar."""
    # Lines printed to a terminal belong above the bar; lines printed to a file must not be diverted to the terminal.
    with progress(transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        yield from bar.track(answers, total=total, description="predicting")
