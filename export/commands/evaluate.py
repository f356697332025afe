"""The command that measures a net on a data set: the zoo's, and with --full int8 and corrupted pictures, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from zoo.commands.evaluate import check_call, draw, of_net
from zoo.commands.evaluate import evaluate as evaluate_float32
from zoo.commands.options import AsJson, Confusion, FiguresOut, Form, Mirror, Model, SkipDamaged, TestData, TopErrors
from zoo.printing import note, progress, say, say_json, say_table, status

CORRUPTED = 2000
"""Test pictures that are corrupted, unless --corrupted names another number."""


def evaluate(
    model: Model,
    data: TestData,
    form: Form = None,
    confusion: Confusion = None,
    top_errors: TopErrors = None,
    out: FiguresOut = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Measure the folded net as ONNX graphs: fp32 and int8, with corrupted pictures."),
    ] = False,
    corrupted: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help=f"Test pictures that --full corrupts, from all classes: {CORRUPTED:,} by default, 0 for none.",
        ),
    ] = None,
    skip_damaged: SkipDamaged = False,
    mirror: Mirror = None,
    as_json: AsJson = False,
) -> None:
    """Measure a net on the test pictures of a data set: accuracy by class, and whether its probabilities are right."""
    if not full:
        if corrupted is not None:
            raise ValueError(f"--corrupted {corrupted} is for --full; add it, or leave --corrupted out")
        evaluate_float32(model, data, form, confusion, top_errors, out, skip_damaged, mirror, as_json)
        return
    if form is not None:
        raise ValueError(f"--form {form}: --full measures the graphs of the folded net; leave --form out")
    count = CORRUPTED if corrupted is None else corrupted
    if count < 0:
        raise ValueError(f"--corrupted {count}: allowed are 0, for none, and whole numbers above it")
    check_call(model, data, form, confusion, top_errors, out)

    from export.figures.full import FullMeasurement
    from export.figures.net import Net
    from export.figures.pictures import check_corruptible, load_originals
    from export.int8.places import find_quantization, quantization_remedy
    from zoo.files import write_json
    from zoo.reference import known_temperature, open_model
    from zoo.training.report import Report
    from zoo.training.sources import names_of
    from zoo.training.story import measurement

    checkpoint, record = open_model(model, None, mirror)
    how, classes = checkpoint.known_preprocessing(), checkpoint.spec.num_classes
    if count:
        check_corruptible(data, how)
        if count < classes:
            raise ValueError(f"--corrupted {count}: {model} has {classes} classes; allowed are 0 and from {classes}")
    corruptions = _corruptions() if count else []
    quantization = find_quantization(model, record, mirror)
    if quantization is None:
        note(f"int8 is left out: no quantization of {model} is known; make one: {quantization_remedy(model, record)}")
    net = Net.of(checkpoint, quantization)
    with status(f"reading {data}"):
        originals = load_originals(data, how, skip_damaged=skip_damaged)
        found = originals.seen(how)
    pictures = of_net(checkpoint, found, model, data)
    own = known_temperature(checkpoint, record)
    measuring = FullMeasurement(net, originals, pictures, count=count, corruptions=corruptions, own=own)
    with progress() as bars:
        bar = bars.add_task("", total=measuring.steps)
        answers, everything = measuring.run(
            tell=lambda text: bars.update(bar, description=text), on_batch=lambda done: bars.advance(bar, done)
        )
    if everything["temperature"] is None:
        note(f"no temperature was fitted: {everything['temperature_lacks']}")
    report = Report(answers, pictures, own)
    draw(report, f"{model} on {data}", confusion, top_errors)
    if out is not None:
        write_json(out, {**measurement(checkpoint, found, data, answers.metrics()), "full": everything})
    skipped = names_of(pictures.damaged, data)
    if as_json:
        result = {"model": model, "pictures": len(pictures), "data_sha256": found.sha256(), **report.to_dict()}
        say_json({**result, **({"skipped": skipped} if skipped else {}), "full": everything})
        return
    left_out = f"; {len(skipped)} damaged ones were left out" if skipped else ""
    say(f"{model} on {len(pictures):,} test pictures{left_out}")
    _print(everything, list(net.precisions))


def _corruptions() -> list[str]:
    """Return the names of the corruptions for which everything is installed; note what is left out."""
    from export.figures import photographs
    from export.figures.corruptions import CORRUPTIONS

    if photographs.are_here():
        return list(CORRUPTIONS)
    note(f"frost is left out: {photographs.LACKING}")
    return [name for name in CORRUPTIONS if name != "frost"]


def _print(everything: Mapping[str, Any], precisions: Sequence[str]) -> None:
    """Print the tables."""
    from export.figures.tables import by_class, by_corruption, summary

    heads, rows = summary(everything, precisions)
    say_table(heads, rows, bare=True)
    if everything["temperature"] is not None:
        say(f"The temperature that fits all of these pictures in {precisions[0]}: {everything['temperature']:g}")
    title, (heads, rows) = by_class(everything, precisions)
    say("", title)
    say_table(heads, rows, bare=True)
    if everything["corrupted_pictures"]:
        say("", f"Top-1 under corruptions in percent, by severity; made at {everything['corrupted_at']}:")
        heads, rows = by_corruption(everything, precisions)
        say_table(heads, rows, bare=True)
