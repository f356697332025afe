"""The command that trains a net."""

from __future__ import annotations

import inspect
import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from zoo.commands.completion import data as data_sets
from zoo.commands.completion import models, nets, offer, recipes
from zoo.commands.options import AsJson
from zoo.printing import note, printed_once, progress, say, say_json, status
from zoo.training.recipes import CHOICES, DATA, LIBRARIES, RECIPES, Recipe, check_seed

if TYPE_CHECKING:
    from rich.progress import Progress

    from zoo.weights.checkpoint import Checkpoint

_DEFAULT = "cifar-short"
_NAMES = ", ".join(f"{name} ({recipe.epochs} epochs)" for name, recipe in RECIPES.items())


@printed_once()
def _train(
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command line, given again, continues it.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder with train/CLASS/* and test/CLASS/*, NAME:FOLDER of a known data set, or the word digits, "
            "which the recipe digits takes by default.",
            autocompletion=offer(data_sets),
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help=f"Recipe to start from: {_NAMES}.", show_default=_DEFAULT, autocompletion=offer(recipes)),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            help="Weights to train again, such as NAME:TAG: their recipe, seed, size and what they started from.",
            autocompletion=offer(models),
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            help="Side in pixels that pictures are resized to; by default what suits the data set (32 for a folder, "
            "224 with --crop resized), or that of the weights of --like."
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            help="What pictures become: 1 (grey), 3 (RGB) or 4 (RGB with alpha); by default what the weights of --like "
            "or --init take, or what the data set has, which for a folder is RGB."
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="Weights to start from: NAME:TAG or a checkpoint file, in training form. The recipe's initial values "
            "of a new net (beta, biases, stem) then do not apply.",
            autocompletion=offer(models),
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures, for --crop resized.")] = 2,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out pictures that cannot be read; the run records which.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Random seed for weight initialisation and data order.", show_default="0")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write events for TensorBoard to OUT/tensorboard.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only tell what was found and how long training would take; write nothing."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Start anew, removing the files of the run that the folder of --out holds.")
    ] = False,
    as_json: AsJson = False,
    **changes: Any,
) -> None:
    """Train a net, from scratch or from where the run in --out stopped."""
    from zoo.commands.arguments import check_model
    from zoo.nets.registry import get_spec
    from zoo.training.again import Named, training_of
    from zoo.training.places import check_dataset

    if tensorboard and find_spec("tensorboard") is None:
        raise ValueError("--tensorboard needs the package tensorboard: pip install tensorboard")
    if like is not None and recipe is not None:
        raise ValueError(f"--like {like} has a recipe of its own; leave --recipe {recipe} out")
    again = None
    if like is not None:
        check_model(like)
        again = training_of(like)
        image_size = again.size if image_size is None else image_size
        channels = again.channels if channels is None else channels
        seed, init = again.seed if seed is None else seed, again.init if init is None else init
        if changes["teacher"] is None:
            changes["teacher"] = "" if changes["teacher_weight"] == 0 else again.teacher
    seed, recipe = seed or 0, recipe or _DEFAULT
    check_seed(seed)
    chosen = _choose(again.recipe if again else _named(recipe), changes, trained=init is not None)
    if init is not None:
        check_model(init)
    get_spec(chosen.model)
    if chosen.teacher and chosen.teacher.partition(":")[0] not in LIBRARIES:
        check_model(chosen.teacher)
    if force:
        for option, place in (("--teacher", chosen.teacher), ("--init", init)):
            if place and Path(place).exists() and Path(place).resolve().is_relative_to(out.resolve()):
                raise ValueError(f"{option} {place} is in {out}, whose run --force removes; name another --out")
    data = data or (None if again else DATA.get(recipe))
    if data is None:
        of = like or f"the recipe {recipe}"
        raise ValueError(f"--data is missing: {of} has no data set of its own; name a folder")
    check_dataset(data)

    from zoo.metrics import figures
    from zoo.training.job import check_recipe, check_teaching
    from zoo.training.loop import train as run_training
    from zoo.training.preview import describe_data, preview
    from zoo.training.run_folder import RunFolder
    from zoo.training.sources import default_preprocessing, load_dataset
    from zoo.training.teacher import open_teacher

    start = None
    if init is not None:
        start, chosen = _start(init, chosen, changes.get("model"))
        channels = channels or start.spec.in_channels
    teacher = open_teacher(chosen.teacher) if chosen.teacher else None
    check_teaching(chosen, teacher)
    stream = chosen.crop == "resized"
    check_recipe(chosen, default_preprocessing(data, image_size, channels=channels, stream=stream))
    with status(f"reading {data}"):
        dataset = load_dataset(
            data, image_size, channels=channels, stream=stream, workers=workers, skip_damaged=skip_damaged
        )
    if again is not None:
        weights = {} if init is None or start is None else {"init": Named(init, start.digest())}
        if teacher is not None:
            weights["teacher"] = Named(teacher.name, teacher.digest())
        for line in again.notes(dataset, weights):
            note(f"note: {line}")
    if dry_run:
        with status("timing a few steps"):
            found = preview(chosen, dataset, seed=seed, init=start, teacher=teacher)
        say_json(found.to_dict()) if as_json else say(*found.lines())
        return
    note(describe_data(dataset))
    with progress() as bars:
        shown = _Shown(bars, chosen, RunFolder(out).events if tensorboard else None)
        result = run_training(
            chosen,
            dataset,
            out,
            seed=seed,
            init=start,
            teacher=teacher,
            anew=force,
            on_step=shown.step,
            on_epoch=shown.epoch,
            on_note=note,
        )
    if as_json:
        say_json(result)
        return
    say(f"{out}: {figures(result['metrics'])} on {result['pictures']} {result['measured_on']}")
    if teacher is not None and (beside := result.get("beside_teacher")):  # which older runs lack
        say(
            f"its teacher, {teacher.name}, classifies {beside['top1']:.2f}% of them correctly, and the net gives the "
            f"same class for {beside['agreement']:.2f}%"
        )
    net = shlex.quote(str(out / "model.safetensors"))
    note(f"The net is in {net}. Next, for example:")
    note(f"  diracnet evaluate {net} --data {shlex.quote(data)}")
    note(f"  diracnet export {net} --out {shlex.quote(f'{out}-bundle')}")


def _named(recipe: str) -> Recipe:
    if recipe not in RECIPES:
        raise ValueError(f"no recipe is named {recipe!r}; there are {', '.join(RECIPES)}")
    return RECIPES[recipe]


def _choose(base: Recipe, changes: dict[str, Any], *, trained: bool) -> Recipe:
    """Return the recipe with the fields that flags change, for a new net or for trained weights."""
    base = base.for_trained_weights() if trained else base
    return replace(base, **{name: value for name, value in changes.items() if value is not None})


def _start(init: str, recipe: Recipe, named: str | None) -> tuple[Checkpoint, Recipe]:
    """Return the weights to start from, and the recipe for their net."""
    from zoo.layout import UNTRAINED
    from zoo.reference import open_model

    start = open_model(init, "dirac")[0]
    if start.tag == UNTRAINED:
        raise ValueError(f"--init {init} is untrained; name weights: NAME:TAG, or leave it out to begin with new ones")
    if named not in (None, start.spec.name):
        raise ValueError(f"--init {init} is a {start.spec.name}, --model is {named}; leave one of them out")
    return start, replace(recipe, model=start.spec.name)


class _Shown:
    """A run's progress: a bar, a line per epoch, and events for TensorBoard where a folder is given."""

    def __init__(self, bars: Progress, recipe: Recipe, board: Path | None) -> None:
        self._bars, self._recipe, self._folder = bars, recipe, board
        self._bar, self._begin = bars.add_task("", total=None), time.monotonic()

    def step(self, progress: Any) -> None:
        done = progress.epoch * progress.steps_per_epoch + progress.step
        text = (
            f"epoch {progress.epoch + 1}/{self._recipe.epochs}  loss {progress.loss:.3f}  "
            f"top-1 {progress.accuracy:.1f}%  rate {progress.lr:.3f}"
        )
        total = self._recipe.epochs * progress.steps_per_epoch
        self._bars.update(self._bar, description=text, completed=done, total=total)

    def epoch(self, line: dict[str, Any]) -> None:
        from zoo.metrics import figures

        held = f"  held out: {figures(line)}" if self._recipe.holdout else ""
        self._bars.print(
            f"epoch {line['epoch'] + 1}/{self._recipe.epochs}  loss {line['train_loss']:.3f}  "
            f"top-1 {line['train_top1']:.1f}%{held}  {time.monotonic() - self._begin:.0f} s"
        )
        if self._folder is not None:
            for key, value in line.items():
                _board(self._folder).add_scalar(key, value, line["epoch"] + 1)


@cache
def _board(folder: Path) -> Any:
    """Return the writer of TensorBoard's events, opened with the first: the run's folder is not there before."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


_VALUES: dict[str, Callable[[], Iterable[str]]] = {
    "model": nets,
    "teacher": models,
    **{name: partial(tuple, allowed) for name, allowed in CHOICES.items()},
}
"""Field of a recipe → what the shell offers for it."""


def _with_recipe_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one optional flag for each field of a recipe, so that the fields are listed once."""
    hints = get_type_hints(Recipe, include_extras=True)
    flags = []
    for field in fields(Recipe):
        kind: Any
        kind, meaning = get_args(hints[field.name])
        kind = list[int] if field.name == "milestones" else kind
        option = typer.Option(
            help=meaning,
            show_default=False,
            rich_help_panel="Recipe (default: the recipe's value)",
            autocompletion=offer(_VALUES[field.name]) if field.name in _VALUES else None,
        )
        annotation = Annotated[kind | None, option]
        flags.append(inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "changes"]
    command.__signature__ = signature.replace(parameters=[*own, *flags])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *flags)}
    return command


train = _with_recipe_flags(_train)
"""The command, with a flag for each field of a recipe."""
