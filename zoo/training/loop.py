"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from zoo.files import read_json
from zoo.models import DiracNet
from zoo.nets.spec import Spec
from zoo.training.data import Dataset
from zoo.training.heap import kept_heap
from zoo.training.job import plan_job
from zoo.training.recipes import Recipe
from zoo.training.run import begin, end_epoch, finish
from zoo.training.run_folder import RunFolder
from zoo.training.signals import InterruptedRunError, StopRequest, stop_request
from zoo.training.teacher import Teacher
from zoo.training.trainer import Trainer
from zoo.weights.checkpoint import Checkpoint


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step: loss and accuracy (percent) are means over the epoch so far."""

    epoch: int
    step: int
    steps_per_epoch: int
    loss: float
    accuracy: float
    lr: float


@dataclass(frozen=True)
class Listeners:
    """The callbacks of a run; only the main process calls them."""

    on_step: Callable[[Progress], None] = lambda progress: None
    on_epoch: Callable[[dict[str, Any]], None] = lambda line: None
    on_note: Callable[[str], None] = lambda note: None


def train(
    recipe: Recipe,
    data: Dataset,
    out: Path,
    *,
    seed: int = 0,
    init: Checkpoint | None = None,
    build: Callable[[Spec], nn.Module] = DiracNet,
    architecture: str | None = None,
    teacher: nn.Module | Teacher | None = None,
    anew: bool = False,
    save_every: float = 300.0,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[dict[str, Any]], None] = lambda line: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> dict[str, Any]:
    """Train a net as the recipe says, from scratch or from where the run in `out` stopped.

    What a step computes depends only on recipe, seed, data, the number of processes, and the weights that the net
    starts from and learns from, so that a run that was killed at any moment and continued ends with the bytes of an
    uninterrupted one (on the same processor and versions, and with the same kept answers where the recipe has a teacher
    and versions; CUDA's kernels may round differently each time). Under `accelerate launch` several processes share
    each batch; BatchNorm then sees only its process's part, and the first process's statistics are kept. Example:
    `train(RECIPES["digits"], load_dataset("digits"), Path("run"))`.

    Args:
        recipe: what to train and how.
        data: from `load_dataset`.
        out: the run's folder; see `RunFolder`.
        seed: seed of the initial weights and of the randomness in the data, except for the versions of the pictures.
        init: trained weights to start from, of the recipe's net in training form; for other classes its last layer is
            replaced by a new one. The recipe must not set initial values of a new net; see
            `Recipe.for_trained_weights`.
        build: makes the net from its spec, for comparing other nets with DiracNets.
        architecture: name by which `run.json` knows the nets of another `build`.
        teacher: a classifier to learn from, as `Recipe.teacher_weight` says: one that the recipe does not name, or the
            one that it names, if it is open already. A bare module takes the net's own input.
        anew: start from the beginning, whatever run `out` holds; the files of that run are removed.
        save_every: seconds after which the state is saved within an epoch too.
        on_step: called after each step.
        on_epoch: called after each epoch with its line of `metrics.jsonl`.
        on_note: called with a sentence for the user: that the run continues, and where, or that it is about to stop.

    Returns:
        The contents of `result.json`: accuracy on the test pictures (on the held-out ones if the recipe has any) after
        the last epoch, with versions and times.

    Raises:
        ValueError: `out` holds another run, another process trains there, or the recipe does not suit the data, the
            teacher or the weights to start from.
        FloatingPointError: the loss is no longer finite; the last good state is kept.
        InterruptedRunError: the process got SIGTERM or SIGINT (Ctrl-C); the state was saved.
    """
    folder = RunFolder(out)
    job = plan_job(recipe, data, seed=seed, init=init, build=build, architecture=architecture, teacher=teacher)
    main = job.accelerator.is_main_process
    listeners = Listeners(on_step, on_epoch, on_note) if main else Listeners()
    lock = folder.lock(listeners.on_note) if main else nullcontext()
    with lock, kept_heap(job.accelerator.device):
        trainer = begin(job, folder, listeners.on_note, anew=anew)
        if trainer is None:
            return read_json(folder.result)
        with stop_request(listeners.on_note) as stop:
            _loop(trainer, folder, save_every, stop, listeners)
        return finish(trainer, folder)


def _loop(trainer: Trainer, folder: RunFolder, save_every: float, stop: StopRequest, listeners: Listeners) -> None:
    """Do the remaining steps, and save after each epoch, from time to time, and when asked to stop."""
    recipe, state, steps = trainer.job.recipe, trainer.state, trainer.job.steps_per_epoch
    last_save = time.monotonic()
    while state.now.epoch < recipe.epochs:
        for batch in trainer.job.batches(state.now.epoch, state.now.step):
            rate = recipe.rate(state.now.epoch * steps + state.now.step, steps)
            state.set_rate(rate)
            loss, right = trainer.gradients(batch)
            if not math.isfinite(loss):
                raise _diverged(trainer, folder, f"the loss is {loss / recipe.batch_size}")
            trainer.move(loss, right)
            listeners.on_step(Progress(state.now.epoch, state.now.step, steps, *state.now.means, recipe.lr * rate))
            if trainer.job.in_any_process(stop.number is not None):
                _save(trainer, folder)
                raise InterruptedRunError(
                    f"{folder.path} was stopped and saved; the same command line continues it", stop.number
                )
            if time.monotonic() - last_save > save_every and state.now.step < steps:
                _save(trainer, folder)
                last_save = time.monotonic()
        _check_weights(trainer, folder)  # before they are measured
        line = end_epoch(trainer)
        _save(trainer, folder)
        last_save = time.monotonic()
        listeners.on_epoch(line)


def _check_weights(trainer: Trainer, folder: RunFolder) -> None:
    if not trainer.state.is_finite:
        raise _diverged(trainer, folder, "a weight is not finite")


def _save(trainer: Trainer, folder: RunFolder) -> None:
    _check_weights(trainer, folder)
    if trainer.accelerator.is_main_process:
        folder.save(trainer.state.state_dict(), trainer.state.history)


def _diverged(trainer: Trainer, folder: RunFolder, what: str) -> FloatingPointError:
    kept = f"the last good state is kept in {folder.path}" if folder.has_state else "no state was saved yet"
    place = f"epoch {trainer.state.now.epoch}, step {trainer.state.now.step}"
    return FloatingPointError(f"{what} at {place}; {kept}. Lower lr={trainer.job.recipe.lr} in a new folder")
