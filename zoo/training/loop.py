"""The training loop."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F

from zoo.files import read_json, write_json
from zoo.machine import environment
from zoo.models import DiracNet
from zoo.nets.composing import composed_together
from zoo.nets.registry import get_spec
from zoo.nets.spec import Spec
from zoo.training.curves import plot_curves
from zoo.training.data import Dataset
from zoo.training.evaluate import evaluate
from zoo.training.optimizers import make_optimizers
from zoo.training.recipes import Recipe
from zoo.training.run_folder import RunFolder
from zoo.training.start import fresh, set_stem, trained_before
from zoo.training.state import EpochSums, TrainingState
from zoo.weights.checkpoint import TRAINED, Checkpoint

_BATCHES_FOR_STEM = 16
"""How many batches a stem's principal components are taken from."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step: loss and accuracy (percent) are means over the epoch so far."""

    epoch: int
    step: int
    steps_per_epoch: int
    loss: float
    accuracy: float
    lr: float


class InterruptedRunError(RuntimeError):
    """A run was asked to stop, and saved its state first."""

    exit_status = 128 + signal.SIGTERM


def train(
    recipe: Recipe,
    data: Dataset,
    out: Path,
    *,
    seed: int = 0,
    init: Checkpoint | None = None,
    build: Callable[[Spec], nn.Module] = DiracNet,
    save_every: float = 300.0,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[dict[str, Any]], None] = lambda line: None,
) -> dict[str, Any]:
    """Train a net as the recipe says, from scratch or from where the run in `out` stopped.

    What a step computes depends on recipe, seed and data alone, so that a run that was killed at any moment and
    continued ends with the bytes of an uninterrupted one (on the same machine and versions). Under `accelerate launch`
    several processes share each batch; BatchNorm then sees a process's part, and the first one's statistics are kept.

    Args:
        recipe: what to train and how.
        data: from `load_dataset`.
        out: the run's folder; see `RunFolder`.
        seed: of the initial weights and of all randomness in the data.
        init: trained weights to start from, of the recipe's net in training form; with other classes its last layer
            starts anew. The recipe must say nothing of what a new net starts from; see `Recipe.for_trained_weights`.
        build: makes the net from its spec: another than DiracNet to compare with.
        save_every: seconds after which the state is saved within an epoch too.
        on_step: called after each step.
        on_epoch: called after each epoch with its line of `metrics.jsonl`.

    Returns:
        The contents of `result.json`: accuracy on the test pictures (on the held-out ones if the recipe has any) after
        the last epoch, with versions and times.

    Raises:
        ValueError: `out` holds another run, or the recipe does not suit the data or the weights to start from.
        FloatingPointError: the loss is no longer finite; the last good state is kept.
        InterruptedRunError: the process got SIGTERM; the state was saved.
    """
    run = RunFolder(out)
    pictures, measured = data.train, data.test
    if recipe.holdout:
        pictures, measured = pictures.split(recipe.holdout, seed=0)
    steps = len(pictures) // recipe.batch_size
    channels = len(data.preprocessing.mean)
    spec = replace(get_spec(recipe.model), in_channels=channels, num_classes=len(pictures.classes))
    accelerator = Accelerator(mixed_precision="no")  # the recipe says where to compute in bf16
    share = (accelerator.process_index, accelerator.num_processes)
    _check(recipe, spec, data, len(pictures), share[1])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = fresh(build, spec, recipe) if init is None else trained_before(init, spec, recipe)
    if accelerator.is_main_process:
        run.open(
            {
                "recipe": recipe.to_dict(),
                "seed": seed,
                "net": build.__name__,
                "spec": spec.to_dict(),
                "init": None if init is None else {"weights": init.weights, "digest": init.digest()},
                "preprocessing": data.preprocessing.to_dict(),
                "labels": list(pictures.classes),
                "data": {"train": data.train.sha256(), "test": data.test.sha256()},
            }
        )
    accelerator.wait_for_everyone()
    if run.result.exists():
        return read_json(run.result)

    if recipe.stem == "principal" and not run.has_state:
        shown = islice(pictures.batches(data.preprocessing, recipe, seed=seed, epoch=0), _BATCHES_FOR_STEM)
        set_stem(net, (images for images, _ in shown))
    dtype = torch.float64 if recipe.precision == "float64" else torch.float32
    net = net.to(accelerator.device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = TrainingState(net, make_optimizers(net, recipe), recipe.ema)
    if recipe.compile:
        net.compile()
    model, *state.optimizers = accelerator.prepare(net, *state.optimizers)
    saved = run.load()
    if saved is not None:
        state.load_state_dict(saved)

    def diverged(what: str) -> FloatingPointError:
        kept = f"the last good state is kept in {out}" if run.has_state else "no state was saved yet"
        place = f"epoch {state.now.epoch}, step {state.now.step}"
        return FloatingPointError(f"{what} at {place}; {kept}. Lower lr={recipe.lr} in a new folder")

    def save() -> float:
        if not state.is_finite:
            raise diverged("a weight is not finite")
        if accelerator.is_main_process:
            run.save(state.state_dict(), state.history)
        return time.monotonic()

    last_save = time.monotonic()
    model.train()
    with _termination() as asked_to_stop:
        while state.now.epoch < recipe.epochs:
            left = pictures.batches(
                data.preprocessing, recipe, seed=seed, epoch=state.now.epoch, first_step=state.now.step, share=share
            )
            for images, targets in left:
                rate = recipe.rate(state.now.epoch * steps + state.now.step, steps)
                state.set_rate(rate)
                images, targets = images.to(accelerator.device, dtype), targets.to(accelerator.device)
                loss_sum, right, stops = _accumulate(accelerator, model, images, targets, recipe, asked_to_stop)
                if not math.isfinite(loss_sum):
                    raise diverged(f"the loss is {loss_sum / recipe.batch_size}")
                state.step()
                state.now.add(recipe.batch_size, loss_sum, right)
                if accelerator.is_main_process:
                    on_step(Progress(state.now.epoch, state.now.step, steps, *state.now.means, recipe.lr * rate))
                if stops:
                    save()
                    raise InterruptedRunError(f"{out} was stopped and saved; the same command line continues it")
                if time.monotonic() - last_save > save_every and state.now.step < steps:
                    last_save = save()
            loss, accuracy = state.now.means
            rate = recipe.rate(state.now.epoch * steps + state.now.step - 1, steps)
            line = {"epoch": state.now.epoch, "train_loss": loss, "train_top1": accuracy, "lr": recipe.lr * rate}
            if recipe.holdout:
                line |= evaluate(state.trained, measured, data.preprocessing)
            state.history.append(line)
            state.now = EpochSums(state.now.epoch + 1)
            last_save = save()
            if accelerator.is_main_process:
                on_epoch(line)

    wall, own = state.clock.elapsed()
    cpu = float(accelerator.reduce(torch.tensor(own, dtype=torch.float64, device=accelerator.device), "sum"))
    if accelerator.is_main_process:
        trained = state.trained.float()
        if isinstance(trained, DiracNet):
            _checkpoint(trained, data).save(run.model)
        plot_curves(state.history, run.curves)
        result = {
            "metrics": evaluate(trained, measured, data.preprocessing),
            "measured_on": "held-out training pictures" if recipe.holdout else "test pictures",
            "pictures": len(measured),
            "wall_hours": wall / 3600,
            "cpu_hours": cpu / 3600,
            "environment": {**environment(accelerator.device), "processes": str(accelerator.num_processes)},
        }
        write_json(run.result, result)
    accelerator.wait_for_everyone()
    return read_json(run.result)


def _check(recipe: Recipe, spec: Spec, data: Dataset, pictures: int, processes: int) -> None:
    """Raise ValueError where the recipe does not suit the data or the number of processes."""
    size = data.preprocessing.size
    if pictures < recipe.batch_size:
        raise ValueError(f"batch_size={recipe.batch_size} exceeds the {pictures} training pictures")
    if size < spec.min_size:
        raise ValueError(f"{recipe.model} takes no pictures of {size} pixels: it needs {spec.min_size}")
    if data.train.crop != recipe.crop:
        raise ValueError(f"crop={recipe.crop!r}: these pictures were loaded for crop={data.train.crop!r}")
    if recipe.crop_padding >= size:
        raise ValueError(f"crop_padding={recipe.crop_padding}: must be below the size of the pictures, {size}")
    if recipe.batch_size % (processes * recipe.accumulation):
        raise ValueError(
            f"batch_size={recipe.batch_size}: must be a multiple of {processes} processes times "
            f"accumulation={recipe.accumulation}"
        )


def _accumulate(
    accelerator: Accelerator,
    model: nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor,
    recipe: Recipe,
    asked_to_stop: Callable[[], bool],
) -> tuple[float, int, bool]:
    """Make the gradient of a step. Return over all processes: summed loss, right answers, whether one has to stop."""
    model.zero_grad()
    sums = torch.zeros(3, dtype=torch.float64, device=accelerator.device)
    parts = list(zip(images.chunk(recipe.accumulation), targets.chunk(recipe.accumulation), strict=True))
    for index, (part, truth) in enumerate(parts):
        # Processes exchange gradients once a step, with the last part.
        with nullcontext() if index == len(parts) - 1 else accelerator.no_sync(model):
            # A compiler sees the calls of all layers and needs no help.
            kernels = nullcontext() if recipe.compile else composed_together(model)
            with kernels, torch.autocast(accelerator.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                logits = model(part)
            logits = logits.to(images.dtype)
            loss = F.cross_entropy(logits, truth, label_smoothing=recipe.label_smoothing)
            accelerator.backward(loss / len(parts))
        sums[0] += loss.detach() * len(truth)
        sums[1] += (logits.detach().argmax(dim=1) == truth).sum()
    sums[2] += asked_to_stop()
    loss_sum, right, stops = accelerator.reduce(sums, "sum").tolist()
    return loss_sum, int(right), stops > 0


def _checkpoint(net: DiracNet, data: Dataset) -> Checkpoint:
    """Return what is kept of a trained net."""
    return Checkpoint(
        form="dirac",
        spec=net.spec,
        weights=TRAINED,
        labels=data.train.classes,
        preprocessing=data.preprocessing,
        state=net.state_dict(),
    )


@contextmanager
def _termination() -> Iterator[Callable[[], bool]]:
    """Give a call that tells whether SIGTERM has come; outside the main thread signals cannot be caught."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    previous = signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, previous)
