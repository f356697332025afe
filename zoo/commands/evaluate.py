"""The command that measures a net on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands.completion import data as data_sets
from zoo.commands.completion import forms, offer
from zoo.commands.options import AsJson, Mirror, Model, SkipDamaged
from zoo.printing import note, progress, say, say_json, say_table, status


def evaluate(
    model: Model,
    data: Annotated[
        str,
        typer.Option(
            help="Folder with test/CLASS/*, NAME:FOLDER of a known data set, or the word digits.",
            autocompletion=offer(data_sets),
        ),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            help="Form to measure: dirac (the training form, the default) or folded.", autocompletion=offer(forms)
        ),
    ] = None,
    confusion: Annotated[
        Path | None, typer.Option(help="Draw the confusion matrix to this file (.png), or write its numbers (.csv).")
    ] = None,
    top_errors: Annotated[
        tuple[int, Path] | None,
        typer.Option(metavar="N FILE", help="Draw the N pictures that it is most wrong about to a sheet (.png)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the figures to this file (.json), for the card: diracnet export --figures."),
    ] = None,
    skip_damaged: SkipDamaged = False,
    mirror: Mirror = None,
    as_json: AsJson = False,
) -> None:
    """Measure a net on the test pictures of a data set: accuracy by class, and whether its probabilities are right."""
    from zoo.commands.arguments import check_model, check_suffix
    from zoo.layout import check_form
    from zoo.training.places import check_dataset

    check_model(model)
    check_form(form)
    check_dataset(data, halves=("test",))
    check_suffix("--confusion", confusion, (".png", ".csv"))
    check_suffix("--out", out, (".json",))
    if top_errors is not None:
        check_suffix("--top-errors", top_errors[1], (".png",))
        if top_errors[0] < 1:
            raise ValueError(f"--top-errors {top_errors[0]}: the number of pictures must be above zero")

    from zoo.files import write_json
    from zoo.metrics import figures
    from zoo.models import build_from
    from zoo.reference import open_model
    from zoo.training.confusion import draw_confusion, write_confusion
    from zoo.training.evaluate import answer_pictures, in_order_of
    from zoo.training.report import Report
    from zoo.training.sheet import draw_sheet, worst_mistakes
    from zoo.training.sources import load_test, names_of
    from zoo.training.story import measurement

    checkpoint, record = open_model(model, form, mirror)
    preprocessing = checkpoint.known_preprocessing()
    with status(f"reading {data}"):
        found = load_test(data, preprocessing, skip_damaged=skip_damaged)
    pictures = in_order_of(checkpoint, found, model, data)
    if missing := len(pictures.classes) - len(found.classes):
        note(f"{data} has no pictures of {missing} of the {len(pictures.classes)} classes that {model} tells apart")
    with progress() as bars:
        bar = bars.add_task("evaluating", total=len(pictures))
        answers = answer_pictures(
            build_from(checkpoint),
            pictures,
            preprocessing,
            on_batch=lambda done: bars.update(bar, completed=done),
        )
    report = Report(answers, pictures, record.temperature if record else 1.0)
    if confusion is not None:
        if confusion.suffix.lower() == ".png":
            draw_confusion(report.matrix, pictures.classes, confusion, f"{model} on {data}")
        else:
            write_confusion(report.matrix, pictures.classes, confusion)
    if top_errors is not None:
        mistakes = worst_mistakes(answers, pictures, top_errors[0], report.temperature)
        if mistakes:
            draw_sheet(mistakes, pictures, top_errors[1])
        else:
            note(f"all pictures were classified right: {top_errors[1]} was not drawn")
    if out is not None:
        write_json(out, measurement(checkpoint, found, data, answers.metrics()))
    skipped = names_of(pictures.damaged, data)
    if as_json:
        result = {"model": model, "pictures": len(pictures), "data_sha256": found.sha256(), **report.to_dict()}
        say_json({**result, **({"skipped": skipped} if skipped else {})})
        return
    left_out = f"; {len(skipped)} damaged ones were left out" if skipped else ""
    say(f"{model}: {figures(answers.metrics())} on {len(pictures)} test pictures{left_out}")
    say(report.calibration_line())
    heads, rows = report.table()
    say(report.table_title())
    say_table(heads, rows, bare=True)
