"""The zoo's commands: `python -m zoo`, and part of `diracnet`."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import torch
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

import zoo
from zoo.command_line import run
from zoo.models import build_from
from zoo.reference import open_model
from zoo.weights.hub import parse_reference
from zoo.weights.record import weights
from zoo.weights.repository import CONFIG
from zoo.weights.upstream import read_upstream

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # the Hub's client keeps the token in some
    help=zoo.__doc__,
)
console = Console()
log = Console(stderr=True)
COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="NAME:TAG, NAME (untrained), a checkpoint file or ORG/NAME.")
]
Mirror = Annotated[Path | None, typer.Option("--from", help="A folder to take the weights of NAME:TAG from.")]


@app.command("list")
def list_(pattern: Annotated[str, typer.Argument(help="A glob.")] = "*", as_json: AsJson = False) -> None:
    """List the nets, with their parameters (folded) and their weights."""
    rows: list[dict[str, Any]] = [
        {"name": name, "parameters": _parameters(zoo.get_spec(name), folded=True), "weights": zoo.list_weights(name)}
        for name in zoo.list_models(pattern)
    ]
    if not rows:
        raise ValueError(f"no net matches {pattern!r}; without a pattern all are listed")
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("name", "parameters, folded", "weights: top-1")
    for row in rows:
        tags = (f"{tag}: {zoo.get_weight(row['name'], tag).metrics['top1']:.2f} %" for tag in row["weights"])
        table.add_row(row["name"], f"{row['parameters']:,}", ", ".join(tags) or "none")
    console.print(table)


@app.command()
def info(model: Model, as_json: AsJson = False) -> None:
    """Show all that is known about a net, and about its weights if a tag or a file is given."""
    facts: dict[str, Any] = {}
    if Path(model).is_file() or (Path(model) / CONFIG).is_file() or parse_reference(model):
        checkpoint, record = open_model(model)
        spec, facts = checkpoint.spec, checkpoint.describe()
    else:
        name, colon, tag = model.partition(":")
        record = zoo.get_weight(name, tag) if colon else None
        spec = record.spec if record else zoo.get_spec(name)
    facts |= {
        "name": spec.name,
        "spec": spec.to_dict(),
        "smallest picture": spec.min_size,
        "parameters, training form": _parameters(spec, folded=False),
        "parameters, folded": _parameters(spec, folded=True),
        "known weights": [tag for name, tag in weights() if name == spec.name],
    }
    if record:
        manifest = record.to_manifest()
        published = f"{record.repository}@{record.revision}" if record.repository else "not on the Hub"
        facts |= {
            "weights": record.tag,
            "published": published,
            **{key: manifest[key] for key in manifest if key not in ("model", "tag")},
        }
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    table = Table(show_header=False)
    for key, value in facts.items():
        if value not in ({}, None):
            table.add_row(key, Text(_readable(value)))
    console.print(table)


def _readable(value: Any) -> str:
    match value:
        case dict():
            known = ((key, inner) for key, inner in value.items() if inner is not None)
            lines = (f"{key}: {line}" for key, inner in known for line in _readable(inner).splitlines())
            return "\n".join(lines)
        case list() | tuple():
            return ", ".join(map(_readable, value[:10])) + (f", … ({len(value)})" if len(value) > 10 else "") or "none"
        case float():
            return f"{value:.6g}"
        case bool() | str() | None:
            return str(value)
        case _:
            return f"{value:,}"


def _parameters(spec: zoo.Spec, *, folded: bool) -> int:
    with torch.device("meta"):
        model = zoo.plain(spec) if folded else zoo.DiracNet(spec)
    return sum(parameter.numel() for parameter in model.parameters())


@app.command()
def evaluate(
    model: Model,
    data: Annotated[str, typer.Option(help="Folder with train/ and test/, or the word digits.")],
    form: Annotated[str | None, typer.Option(help="dirac or folded; by default the training form.")] = None,
    mirror: Mirror = None,
    as_json: AsJson = False,
) -> None:
    """Measure a net's accuracy on the test pictures of a data set."""
    from zoo.training.evaluate import check_classes
    from zoo.training.evaluate import evaluate as measure
    from zoo.training.sources import check_dataset, load_test

    check_dataset(data)
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
    print(f"{model}: {_figures(metrics)} on {len(pictures)} test pictures")


def _figures(metrics: Mapping[str, float]) -> str:
    units = {"top1": "top-1 {:.2f} %", "top5": "top-5 {:.2f} %", "loss": "loss {:.4f}"}
    return ", ".join(text.format(metrics[name]) for name, text in units.items() if name in metrics)


@app.command("import-upstream")
def import_upstream(
    file: Annotated[Path, typer.Argument(help="A .pth or .safetensors file of the original code.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")],
    final_relu: Annotated[
        bool | None, typer.Option(help="Whether a ReLU stands before the average pool; no file tells.")
    ] = None,
) -> None:
    """Convert weights of the original code (2017–18) to a checkpoint file."""
    if out.exists():
        raise ValueError(f"{out} exists already; remove it, or name another file")
    checkpoint = read_upstream(file, final_relu)
    checkpoint.save(out)
    print(f"{out}: {checkpoint.spec.name}, {checkpoint.form} form")


def _train(
    data: Annotated[str, typer.Option(help="Folder with train/CLASS/* and test/CLASS/*, or the word digits.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command line, given again, continues.")],
    recipe: Annotated[str, typer.Option(help="The recipe to start from.")] = "cifar-short",
    image_size: Annotated[
        int | None, typer.Option(help="Pixels that pictures are resized to; by default 32, of the digits 16.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="Weights to start from: NAME:TAG or a checkpoint file, in training form. What the recipe says of the "
            "beta, biases and stem of a new net is then left out."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures, for crop=resized.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of the initial weights and of the order of the data.")] = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write events for TensorBoard to OUT/tensorboard, too.")
    ] = False,
    as_json: AsJson = False,
    **changes: Any,
) -> None:
    """Train a net, from scratch or from where the run in --out stopped."""
    from zoo.training.loop import train as run_training
    from zoo.training.recipes import RECIPES
    from zoo.training.sources import load_dataset

    if tensorboard and find_spec("tensorboard") is None:
        raise ValueError("--tensorboard needs the package tensorboard: pip install tensorboard")
    if recipe not in RECIPES:
        raise ValueError(f"no recipe is named {recipe!r}; there are {', '.join(RECIPES)}")
    base = RECIPES[recipe] if init is None else RECIPES[recipe].for_trained_weights()
    chosen = replace(base, **{name: value for name, value in changes.items() if value is not None})
    start = None if init is None else open_model(init, "dirac")[0]
    if start is not None:
        if changes.get("model") not in (None, start.spec.name):
            raise ValueError(
                f"--init {init} is a {start.spec.name}, --model is {changes['model']}; leave one of them out"
            )
        chosen = replace(chosen, model=start.spec.name)
    with log.status(escape(f"reading {data}")):
        dataset = load_dataset(data, image_size, stream=chosen.crop == "resized", workers=workers)
    with Progress(*COLUMNS, console=log) as bars:
        bar = bars.add_task("", total=None)
        begin = time.monotonic()

        def show(progress: Any) -> None:
            done = progress.epoch * progress.steps_per_epoch + progress.step
            text = (
                f"epoch {progress.epoch + 1}/{chosen.epochs}  loss {progress.loss:.3f}  "
                f"top-1 {progress.accuracy:.1f} %  rate {progress.lr:.3f}"
            )
            bars.update(bar, description=text, completed=done, total=chosen.epochs * progress.steps_per_epoch)

        def tell(line: dict[str, Any]) -> None:
            held = f"  held out: {_figures(line)}" if chosen.holdout else ""
            bars.print(
                f"epoch {line['epoch'] + 1}/{chosen.epochs}  loss {line['train_loss']:.3f}  "
                f"top-1 {line['train_top1']:.1f} %{held}  {time.monotonic() - begin:.0f} s"
            )
            if tensorboard:
                for key, value in line.items():
                    _board(out / "tensorboard").add_scalar(key, value, line["epoch"] + 1)

        result = run_training(chosen, dataset, out, seed=seed, init=start, on_step=show, on_epoch=tell)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        print(f"{out}: {_figures(result['metrics'])} on {result['pictures']} {result['measured_on']}")


@cache
def _board(folder: Path) -> Any:
    """The writer of TensorBoard's events, opened with the first: before, the run's folder may not be there."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def _with_recipe_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one optional flag for each field of a recipe, so that the fields are listed once."""
    from zoo.training.recipes import Recipe

    hints = get_type_hints(Recipe, include_extras=True)
    flags = []
    for field in fields(Recipe):
        kind: Any
        kind, meaning = get_args(hints[field.name])
        kind = list[int] if field.name == "milestones" else kind
        option = typer.Option(help=meaning, show_default="the recipe's", rich_help_panel="Recipe")
        annotation = Annotated[kind | None, option]
        flags.append(inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "changes"]
    command.__signature__ = signature.replace(parameters=[*own, *flags])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *flags)}
    return command


app.command("train")(_with_recipe_flags(_train))


def main() -> None:
    """Run the zoo's commands."""
    run(app)


if __name__ == "__main__":
    main()
