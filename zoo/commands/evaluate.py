"""The command that measures a net on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.commands.options import AsJson, Confusion, FiguresOut, Form, Mirror, Model, SkipDamaged, TestData, TopErrors
from zoo.printing import note, progress, say, say_json, say_table, status

if TYPE_CHECKING:
    from zoo.training.data import Pictures
    from zoo.training.report import Report
    from zoo.weights.checkpoint import Checkpoint


def evaluate(
    model: Model,
    data: TestData,
    form: Form = None,
    confusion: Confusion = None,
    top_errors: TopErrors = None,
    out: FiguresOut = None,
    skip_damaged: SkipDamaged = False,
    mirror: Mirror = None,
    as_json: AsJson = False,
) -> None:
    """Measure a net on the test pictures of a data set: accuracy by class, and whether its probabilities are right."""
    check_call(model, data, form, confusion, top_errors, out)

    from zoo.files import write_json
    from zoo.metrics import figures
    from zoo.models import build_from
    from zoo.reference import known_temperature, open_model
    from zoo.training.evaluate import answer_pictures
    from zoo.training.report import Report
    from zoo.training.sources import load_test, names_of
    from zoo.training.story import measurement

    checkpoint, record = open_model(model, form, mirror)
    preprocessing = checkpoint.known_preprocessing()
    with status(f"reading {data}"):
        found = load_test(data, preprocessing, skip_damaged=skip_damaged)
    pictures = of_net(checkpoint, found, model, data)
    with progress() as bars:
        bar = bars.add_task("evaluating", total=len(pictures))
        answers = answer_pictures(
            build_from(checkpoint),
            pictures,
            preprocessing,
            on_batch=lambda done: bars.update(bar, completed=done),
        )
    report = Report(answers, pictures, known_temperature(checkpoint, record))
    draw(report, f"{model} on {data}", confusion, top_errors)
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


def check_call(
    model: str,
    data: str,
    form: str | None,
    confusion: Path | None,
    top_errors: tuple[int, Path] | None,
    out: Path | None,
) -> None:
    """Raise ValueError or FileNotFoundError unless the arguments of `evaluate` can be what they should be."""
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


def of_net(checkpoint: Checkpoint, found: Pictures, model: str, data: str) -> Pictures:
    """Return test pictures with the classes of a net, and note how many of these have none.

    Raises:
        ValueError: the net does not tell the data set's classes apart.
    """
    from zoo.training.evaluate import in_order_of

    pictures = in_order_of(checkpoint, found, model, data)
    if missing := len(pictures.classes) - len(found.classes):
        note(f"{data} has no pictures of {missing} of the {len(pictures.classes)} classes that {model} tells apart")
    return pictures


def draw(report: Report, title: str, confusion: Path | None, top_errors: tuple[int, Path] | None) -> None:
    """Write the files of --confusion and --top-errors, where they are asked for."""
    from zoo.training.confusion import draw_confusion, write_confusion
    from zoo.training.sheet import draw_sheet, worst_mistakes

    pictures = report.pictures
    if confusion is not None:
        if confusion.suffix.lower() == ".png":
            draw_confusion(report.matrix, pictures.classes, confusion, title)
        else:
            write_confusion(report.matrix, pictures.classes, confusion)
    if top_errors is not None:
        mistakes = worst_mistakes(report.answers, pictures, top_errors[0], report.temperature)
        if mistakes:
            draw_sheet(mistakes, pictures, top_errors[1])
        else:
            note(f"all pictures were classified right: {top_errors[1]} was not drawn")
