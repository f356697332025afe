"""The command that trains a net."""

from __future__ import annotations

import inspect
import json
import shlex
import time
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from rich.markup import escape
from rich.progress import Progress

from zoo.commands.options import COLUMNS, AsJson, log
from zoo.metrics import figures
from zoo.reference import open_model
from zoo.training.recipes import DATA, RECIPES, Recipe
from zoo.weights.checkpoint import Checkpoint

_NAMES = ", ".join(f"{name} ({recipe.epochs} epochs)" for name, recipe in RECIPES.items())


def _train(
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command line, given again, continues it.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder with train/CLASS/* and test/CLASS/*, NAME:FOLDER of a known data set, or the word digits, "
            "which the recipe digits takes by default."
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(help=f"Recipe to start from: {_NAMES}.")] = "cifar-short",
    image_size: Annotated[
        int | None, typer.Option(help="Side in pixels that pictures are resized to; by default 32, for the digits 16.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="Weights to start from: NAME:TAG or a checkpoint file, in training form. The recipe's initial values "
            "of a new net (beta, biases, stem) then do not apply."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures, for crop=resized.")] = 2,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out pictures that cannot be read; the run records how many.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for weight initialisation and data order.")] = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write events for TensorBoard to OUT/tensorboard.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only tell what was found and how long training would take; write nothing."),
    ] = False,
    as_json: AsJson = False,
    **changes: Any,
) -> None:
    """Train a net, from scratch or from where the run in --out stopped."""
    from zoo.training.loop import train as run_training
    from zoo.training.preview import describe_data, preview
    from zoo.training.sources import load_dataset

    if tensorboard and find_spec("tensorboard") is None:
        raise ValueError("--tensorboard needs the package tensorboard: pip install tensorboard")
    chosen, start = _choose(recipe, init, changes)
    data = data or DATA.get(recipe)
    if data is None:
        raise ValueError(f"--data is missing: the recipe {recipe} has no data set of its own; name a folder")
    with log.status(escape(f"reading {data}")):
        dataset = load_dataset(
            data, image_size, stream=chosen.crop == "resized", workers=workers, skip_damaged=skip_damaged
        )
    if dry_run:
        with log.status("timing a few steps"):
            found = preview(chosen, dataset, seed=seed, init=start)
        print(json.dumps(found.to_dict(), indent=2) if as_json else found.text())
        return
    note(describe_data(dataset))
    with Progress(*COLUMNS, console=log) as bars:
        shown = _Shown(bars, chosen, out / "tensorboard" if tensorboard else None)
        result = run_training(
            chosen,
            dataset,
            out,
            seed=seed,
            init=start,
            on_step=shown.step,
            on_epoch=shown.epoch,
            on_note=note,
        )
    if as_json:
        print(json.dumps(result, indent=2))
        return
    print(f"{out}: {figures(result['metrics'])} on {result['pictures']} {result['measured_on']}")
    net = shlex.quote(str(out / "model.safetensors"))
    note(f"The net is in {net}. Next, for example:")
    note(f"  diracnet evaluate {net} --data {shlex.quote(data)}")
    note(f"  diracnet export {net} --out {shlex.quote(f'{out}-bundle')}")


def _choose(recipe: str, init: str | None, changes: dict[str, Any]) -> tuple[Recipe, Checkpoint | None]:
    """Return the recipe with the fields that flags change, and the weights to start from."""
    if recipe not in RECIPES:
        raise ValueError(f"no recipe is named {recipe!r}; there are {', '.join(RECIPES)}")
    base = RECIPES[recipe] if init is None else RECIPES[recipe].for_trained_weights()
    chosen = replace(base, **{name: value for name, value in changes.items() if value is not None})
    if init is None:
        return chosen, None
    start = open_model(init, "dirac")[0]
    if changes.get("model") not in (None, start.spec.name):
        raise ValueError(f"--init {init} is a {start.spec.name}, --model is {changes['model']}; leave one of them out")
    return replace(chosen, model=start.spec.name), start


def note(text: str) -> None:
    """Print a line for people, which programs that read the output do not see."""
    log.print(text, markup=False, highlight=False, soft_wrap=True)


class _Shown:
    """A run's progress: a bar, a line per epoch, and events for TensorBoard where a folder is given."""

    def __init__(self, bars: Progress, recipe: Recipe, board: Path | None) -> None:
        self._bars, self._recipe, self._folder = bars, recipe, board
        self._bar, self._begin = bars.add_task("", total=None), time.monotonic()

    def step(self, progress: Any) -> None:
        done = progress.epoch * progress.steps_per_epoch + progress.step
        text = (
            f"epoch {progress.epoch + 1}/{self._recipe.epochs}  loss {progress.loss:.3f}  "
            f"top-1 {progress.accuracy:.1f} %  rate {progress.lr:.3f}"
        )
        total = self._recipe.epochs * progress.steps_per_epoch
        self._bars.update(self._bar, description=text, completed=done, total=total)

    def epoch(self, line: dict[str, Any]) -> None:
        held = f"  held out: {figures(line)}" if self._recipe.holdout else ""
        self._bars.print(
            f"epoch {line['epoch'] + 1}/{self._recipe.epochs}  loss {line['train_loss']:.3f}  "
            f"top-1 {line['train_top1']:.1f} %{held}  {time.monotonic() - self._begin:.0f} s"
        )
        if self._folder is not None:
            for key, value in line.items():
                _board(self._folder).add_scalar(key, value, line["epoch"] + 1)


@cache
def _board(folder: Path) -> Any:
    """Return the writer of TensorBoard's events, opened with the first: the run's folder is not there before."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def _with_recipe_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one optional flag for each field of a recipe, so that the fields are listed once."""
    hints = get_type_hints(Recipe, include_extras=True)
    flags = []
    for field in fields(Recipe):
        kind: Any
        kind, meaning = get_args(hints[field.name])
        kind = list[int] if field.name == "milestones" else kind
        option = typer.Option(help=meaning, show_default=False, rich_help_panel="Recipe (default: the recipe's value)")
        annotation = Annotated[kind | None, option]
        flags.append(inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "changes"]
    command.__signature__ = signature.replace(parameters=[*own, *flags])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *flags)}
    return command


train = _with_recipe_flags(_train)
"""The command, with a flag for each field of a recipe."""
