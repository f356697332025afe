"""The command that measures a net on a data set."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from zoo.commands.completion import data as data_sets
from zoo.commands.completion import forms, offer
from zoo.commands.options import AsJson, Mirror, Model


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
    mirror: Mirror = None,
    as_json: AsJson = False,
) -> None:
    """Measure a net's accuracy on the test pictures of a data set."""
    from zoo.commands.arguments import check_model
    from zoo.layout import check_form
    from zoo.training.places import check_dataset

    check_model(model)
    check_form(form)
    check_dataset(data, halves=("test",))

    from rich.markup import escape
    from rich.progress import Progress

    from zoo.commands.consoles import COLUMNS, log
    from zoo.metrics import figures
    from zoo.models import build_from
    from zoo.reference import open_model
    from zoo.training.evaluate import check_classes
    from zoo.training.evaluate import evaluate as measure
    from zoo.training.sources import load_test

    checkpoint, _ = open_model(model, form, mirror)
    preprocessing = checkpoint.known_preprocessing()
    with log.status(escape(f"reading {data}")):
        pictures = load_test(data, preprocessing)
    check_classes(checkpoint, pictures, model, data)
    with Progress(*COLUMNS, console=log) as bars:
        bar = bars.add_task("evaluating", total=len(pictures))
        metrics = measure(
            build_from(checkpoint),
            pictures,
            preprocessing,
            on_batch=lambda done: bars.update(bar, completed=done),
        )
    result = {"model": model, "pictures": len(pictures), "data_sha256": pictures.sha256(), "metrics": metrics}
    if as_json:
        print(json.dumps(result, indent=2))
        return
    print(f"{model}: {figures(metrics)} on {len(pictures)} test pictures")
