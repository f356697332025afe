"""The training loop."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F

from zoo.checkpoint import TRAINED, Checkpoint
from zoo.files import read_json, write_json
from zoo.network import DiracNet
from zoo.registry import get_spec
from zoo.training.data import Dataset, batches
from zoo.training.environment import Clock, environment
from zoo.training.evaluate import evaluate
from zoo.training.recipes import Recipe
from zoo.training.run_folder import RunFolder


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


@dataclass
class _Epoch:
    """How far an epoch is, and its sums so far."""

    epoch: int = 0
    step: int = 0
    seen: int = 0
    right: int = 0
    loss: float = 0.0

    @property
    def means(self) -> tuple[float, float]:
        """Mean loss, and accuracy in percent."""
        return self.loss / self.seen, 100 * self.right / self.seen


def train(
    recipe: Recipe,
    data: Dataset,
    out: Path,
    *,
    seed: int = 0,
    save_every: float = 300.0,
    on_step: Callable[[Progress], None] = lambda progress: None,
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
        save_every: seconds after which the state is saved within an epoch too.
        on_step: called after each step.

    Returns:
        The contents of `result.json`: accuracy on the test pictures (on the held-out ones if the recipe has any) after
        the last epoch, with versions and times.

    Raises:
        ValueError: `out` holds another run, or the recipe does not suit the data.
        FloatingPointError: the loss is no longer finite; the last good state is kept.
        InterruptedRunError: the process got SIGTERM; the state was saved.
    """
    run = RunFolder(out)
    pictures, measured = data.train, data.test
    if recipe.holdout:
        pictures, measured = pictures.split(recipe.holdout, seed=0)
    steps = len(pictures) // recipe.batch_size
    if steps == 0:
        raise ValueError(f"batch_size={recipe.batch_size} exceeds the {len(pictures)} training pictures")
    spec = replace(get_spec(recipe.model), in_channels=len(data.preprocessing.mean), num_classes=len(pictures.classes))
    size = data.preprocessing.size
    if size < spec.min_size:
        raise ValueError(f"{recipe.model} takes no pictures of {size} pixels: it needs {spec.min_size}")
    if recipe.crop_padding >= size:
        raise ValueError(f"crop_padding={recipe.crop_padding}: must be below the size of the pictures, {size}")
    accelerator = Accelerator(mixed_precision="bf16" if recipe.precision == "bf16" else "no")
    share = (accelerator.process_index, accelerator.num_processes)
    if recipe.batch_size % (share[1] * recipe.accumulation):
        raise ValueError(
            f"batch_size={recipe.batch_size}: must be a multiple of {share[1]} processes times "
            f"accumulation={recipe.accumulation}"
        )
    if accelerator.is_main_process:
        run.open(
            {
                "recipe": recipe.to_dict(),
                "seed": seed,
                "spec": spec.to_dict(),
                "preprocessing": data.preprocessing.to_dict(),
                "labels": list(pictures.classes),
                "data": {"train": data.train.sha256(), "test": data.test.sha256()},
            }
        )
    accelerator.wait_for_everyone()
    if run.result.exists():
        return read_json(run.result)

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = DiracNet(spec).to(memory_format=torch.channels_last)
    dtype = torch.float64 if recipe.precision == "float64" else torch.float32
    model, optimizer = accelerator.prepare(net.to(dtype), _optimizer(net, recipe))

    history: list[dict[str, Any]] = []
    clock, now = Clock(), _Epoch()
    saved = run.load()
    if saved is not None:
        accelerator.unwrap_model(model).load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        history, clock, now = saved["history"], Clock(*saved["elapsed"]), _Epoch(**saved["now"])

    def diverged(what: str) -> FloatingPointError:
        kept = f"the last good state is kept in {out}" if run.has_state else "no state was saved yet"
        place = f"epoch {now.epoch}, step {now.step}"
        return FloatingPointError(f"{what} at {place}; {kept}. Lower lr={recipe.lr} in a new folder")

    def save() -> float:
        weights = accelerator.unwrap_model(model).state_dict()
        if not all(tensor.isfinite().all() for tensor in weights.values()):
            raise diverged("a weight is not finite")
        if accelerator.is_main_process:
            state = {
                "model": weights,
                "optimizer": optimizer.state_dict(),
                "elapsed": clock.elapsed(),
                "now": asdict(now),
            }
            run.save(state, history)
        return time.monotonic()

    last_save = time.monotonic()
    model.train()
    with _termination() as asked_to_stop:
        while now.epoch < recipe.epochs:
            left = batches(
                pictures, data.preprocessing, recipe, seed=seed, epoch=now.epoch, first_step=now.step, share=share
            )
            for images, targets in left:
                lr = recipe.learning_rate(now.epoch * steps + now.step, steps)
                for group in optimizer.param_groups:
                    group["lr"] = lr
                images, targets = images.to(accelerator.device, dtype), targets.to(accelerator.device)
                optimizer.zero_grad()
                loss_sum, right, stops = _accumulate(accelerator, model, images, targets, recipe, asked_to_stop)
                if not math.isfinite(loss_sum):
                    raise diverged(f"the loss is {loss_sum / recipe.batch_size}")
                optimizer.step()
                now.step, now.seen = now.step + 1, now.seen + recipe.batch_size
                now.loss, now.right = now.loss + loss_sum, now.right + right
                if accelerator.is_main_process:
                    on_step(Progress(now.epoch, now.step, steps, *now.means, lr))
                if stops:
                    save()
                    raise InterruptedRunError(f"{out} was stopped and saved; the same command line continues it")
                if time.monotonic() - last_save > save_every and now.step < steps:
                    last_save = save()
            mean_loss, accuracy = now.means
            last_rate = recipe.learning_rate(now.epoch * steps + now.step - 1, steps)
            history.append({"epoch": now.epoch, "train_loss": mean_loss, "train_top1": accuracy, "lr": last_rate})
            now = _Epoch(now.epoch + 1)
            last_save = save()

    if accelerator.is_main_process:
        trained = accelerator.unwrap_model(model).float()
        Checkpoint(
            form="dirac",
            spec=spec,
            weights=TRAINED,
            labels=pictures.classes,
            preprocessing=data.preprocessing,
            state=trained.state_dict(),
        ).save(run.model)
        metrics = evaluate(trained, measured, data.preprocessing)
        wall, cpu = clock.elapsed()
        result = {
            "metrics": metrics,
            "measured_on": "held-out training pictures" if recipe.holdout else "test pictures",
            "pictures": len(measured),
            "wall_hours": wall / 3600,
            "cpu_hours": cpu / 3600,
            "environment": {**environment(accelerator.device), "processes": str(share[1])},
        }
        write_json(run.result, result)
    accelerator.wait_for_everyone()
    return read_json(run.result)


def _accumulate(
    accelerator: Accelerator,
    model: nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor,
    recipe: Recipe,
    asked_to_stop: Callable[[], bool],
) -> tuple[float, int, bool]:
    """Add up the gradient of a step. Return over all processes: summed loss, right answers, whether one has to stop."""
    sums = torch.zeros(3, dtype=torch.float64, device=accelerator.device)
    parts = list(zip(images.chunk(recipe.accumulation), targets.chunk(recipe.accumulation), strict=True))
    for index, (part, truth) in enumerate(parts):
        # Processes exchange gradients once a step, with the last part.
        with nullcontext() if index == len(parts) - 1 else accelerator.no_sync(model):
            logits = model(part)
            loss = F.cross_entropy(logits, truth, label_smoothing=recipe.label_smoothing)
            accelerator.backward(loss / len(parts))
        sums[0] += loss.detach() * len(truth)
        sums[1] += (logits.detach().argmax(dim=1) == truth).sum()
    sums[2] += asked_to_stop()
    loss_sum, right, stops = accelerator.reduce(sums, "sum").tolist()
    return loss_sum, int(right), stops > 0


def _optimizer(model: DiracNet, recipe: Recipe) -> torch.optim.SGD:
    """SGD in which version 2 spares one-dimensional parameters (alpha, beta, BatchNorm, biases) from weight decay."""
    spares = model.spec.version == 2
    decayed = [p for p in model.parameters() if p.ndim > 1 or not spares]
    spared = [p for p in model.parameters() if p.ndim <= 1 and spares]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": spared, "weight_decay": 0.0}]
    return torch.optim.SGD(
        groups,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
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
