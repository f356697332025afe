"""The training loop."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.nn import functional as F

from zoo.checkpoint import Checkpoint
from zoo.files import write_json
from zoo.network import DiracNet
from zoo.registry import get_spec
from zoo.spec import Spec
from zoo.training.data import Dataset, batches
from zoo.training.evaluate import evaluate
from zoo.training.recipes import Recipe
from zoo.training.run_folder import RunFolder, read_json

WEIGHTS = "trained"
"""What a run's checkpoint calls its weights, until it is shipped under a tag."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step: loss and accuracy (percent) are means over the epoch so far."""

    epoch: int
    step: int
    steps_per_epoch: int
    loss: float
    accuracy: float
    lr: float


def train(
    recipe: Recipe,
    data: Dataset,
    out: Path,
    *,
    seed: int = 0,
    stop_after: int | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Train a net as the recipe says, from scratch or from where the run in `out` stopped.

    The state is saved at the end of each epoch; what a step computes depends on recipe, seed and data alone, so that a
    resumed run ends with the weights of an uninterrupted one (on the same machine and versions).

    Args:
        recipe: what to train and how.
        data: from `load_dataset`.
        out: the run's folder; see `RunFolder`.
        seed: of the initial weights and of all randomness in the data.
        stop_after: stop once this many epochs are done, to be continued later.
        on_step: called after each step.

    Returns:
        The contents of `result.json`: accuracy on the test pictures (on the held-out ones if the recipe has any) after
        the last epoch, with versions and times. Of a run stopped early: its last line of the log.

    Raises:
        ValueError: `out` holds another run, or the recipe does not suit the data.
        FloatingPointError: the loss is no longer finite; the last epoch's state is kept.
    """
    run = RunFolder(out)
    pictures, measured = data.train, data.test
    if recipe.holdout:
        pictures, measured = pictures.split(recipe.holdout, seed=0)
    steps = len(pictures) // recipe.batch_size
    if steps == 0:
        raise ValueError(f"batch_size={recipe.batch_size} exceeds the {len(pictures)} training pictures")
    spec = Spec(
        **{
            **get_spec(recipe.model).to_dict(),
            "in_channels": len(data.preprocessing.mean),
            "num_classes": len(pictures.classes),
        }
    )
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
    if run.result.exists():
        return read_json(run.result)

    accelerator = Accelerator()
    if accelerator.num_processes > 1:
        raise ValueError(f"{accelerator.num_processes} processes were launched; training runs in one so far")
    torch.manual_seed(seed)
    model = DiracNet(spec).to(memory_format=torch.channels_last)
    model, optimizer = accelerator.prepare(model, _optimizer(model, recipe))

    history: list[dict[str, Any]] = []
    clock = _Clock()
    saved = run.load()
    if saved is not None:
        accelerator.unwrap_model(model).load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        history, clock = saved["history"], _Clock(*saved["elapsed"])

    for epoch in range(len(history), recipe.epochs):
        if epoch == stop_after:
            return history[-1]
        model.train()
        seen = right = 0
        total = 0.0
        for step, (images, targets) in enumerate(batches(pictures, data.preprocessing, recipe, seed=seed, epoch=epoch)):
            lr = recipe.learning_rate(epoch * steps + step, steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            images, targets = images.to(accelerator.device), targets.to(accelerator.device)
            logits = model(images)
            loss = F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            seen += len(targets)
            total += loss.item() * len(targets)
            right += int((logits.detach().argmax(dim=1) == targets).sum())
            on_step(Progress(epoch, step + 1, steps, total / seen, 100 * right / seen, lr))
            if total != total or total == float("inf"):
                raise FloatingPointError(
                    f"the loss is {loss.item()} at epoch {epoch}, step {step}; the state after epoch {epoch - 1} is "
                    f"kept in {out}. Lower lr={recipe.lr} in a new folder"
                )
        history.append({"epoch": epoch, "train_loss": total / seen, "train_top1": 100 * right / seen, "lr": lr})
        state = {
            "model": accelerator.unwrap_model(model).state_dict(),
            "optimizer": optimizer.state_dict(),
            "elapsed": clock.elapsed(),
        }
        run.save(state, history)

    trained = accelerator.unwrap_model(model)
    metrics = evaluate(trained, measured, data.preprocessing)
    Checkpoint(
        form="dirac",
        spec=spec,
        weights=WEIGHTS,
        labels=pictures.classes,
        preprocessing=data.preprocessing,
        state=trained.state_dict(),
    ).save(run.model)
    wall, cpu = clock.elapsed()
    result = {
        "metrics": metrics,
        "measured_on": "held-out training pictures" if recipe.holdout else "test pictures",
        "pictures": len(measured),
        "wall_hours": wall / 3600,
        "cpu_hours": cpu / 3600,
        "environment": _environment(accelerator.device),
    }
    write_json(run.result, result)
    return result


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


class _Clock:
    """Wall and processor seconds of a run over all its sittings."""

    def __init__(self, wall: float = 0.0, cpu: float = 0.0) -> None:
        self._wall, self._cpu = wall - time.monotonic(), cpu - time.process_time()

    def elapsed(self) -> tuple[float, float]:
        return self._wall + time.monotonic(), self._cpu + time.process_time()


def _environment(device: torch.device) -> dict[str, str]:
    """What the figures depend on besides recipe, seed and data."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "accelerate", "numpy")},
    }


def _processor() -> str:
    """The processor's own name where Linux tells it, with the number of cores."""
    try:
        lines: Iterator[str] = iter(Path("/proc/cpuinfo").read_text().splitlines())
        model = next(islice((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), 1))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} cores"
