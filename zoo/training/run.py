"""How a training run begins and ends; `zoo.training.loop` does what lies between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import torch

from zoo.files import read_json, write_json
from zoo.machine import environment
from zoo.models import DiracNet
from zoo.training.agreement import agreement, knowledge
from zoo.training.answers import kept_answers
from zoo.training.curves import plot_curves
from zoo.training.data import Place
from zoo.training.evaluate import answer_pictures, evaluate
from zoo.training.job import Job
from zoo.training.run_folder import RunFolder
from zoo.training.start import other_classes, set_stem
from zoo.training.story import tell
from zoo.training.trainer import Trainer
from zoo.weights.checkpoint import TRAINED, Checkpoint

_BATCHES_FOR_STEM = 16
"""Number of batches from which a stem's principal components are computed."""


def begin(job: Job, folder: RunFolder, on_note: Callable[[str], None], *, anew: bool = False) -> Trainer | None:
    """Open a run's folder and return its trainer, resumed where the run stopped; None if the run is finished.

    Raises:
        ValueError: the folder holds another run, or its state is damaged.
    """
    net = job.net()
    if job.accelerator.is_main_process:
        if anew or not folder.has_state:  # a net that is trained must not find out that it cannot be measured
            job.measured.check()
        folder.open(job.request(), anew=anew)
    job.accelerator.wait_for_everyone()
    if folder.result.exists():
        on_note(f"{folder.path} holds the finished run already")
        return None
    if job.recipe.stem == "principal" and not folder.has_state:
        first = job.pictures.batches(job.data.preprocessing, job.recipe, Place(job.seed, epoch=0))
        set_stem(net, (batch.images for batch in islice(first, _BATCHES_FOR_STEM)))
    saved = folder.load()
    answers = kept_answers(job, on_note) if saved is None or saved["now"]["epoch"] < job.recipe.epochs else []
    trainer = Trainer(job, net, answers)
    if saved is None and job.accelerator.is_main_process and (known := knowledge(job, answers)):
        on_note(known.sentence())
    if saved is not None:
        trainer.state.load_state_dict(saved)
        on_note(f"{folder.path} continues {_place(trainer)}")
    elif job.init is not None and other_classes(job.init, job.pictures.classes):
        count, before = job.spec.num_classes, job.init.spec.num_classes
        have = f"have {before}" if before != count else "tell others apart, or the same in another order"
        on_note(f"new last layer for {count} classes: the weights to start from {have}")
    return trainer


def _place(trainer: Trainer) -> str:
    now, epochs = trainer.state.now, trainer.job.recipe.epochs
    if now.epoch == epochs:
        return f"after the last of {epochs} epochs"
    after = f", after step {now.step} of {trainer.job.steps_per_epoch}" if now.step else ""
    return f"at epoch {now.epoch + 1} of {epochs}{after}"


def end_epoch(trainer: Trainer) -> dict[str, Any]:
    """Close an epoch: return its line of `metrics.jsonl`, kept in the state's history, and reset the sums."""
    job, state = trainer.job, trainer.state
    loss, accuracy = state.now.means
    steps = job.steps_per_epoch
    rate = job.recipe.rate(state.now.epoch * steps + state.now.step - 1, steps)
    line = {"epoch": state.now.epoch, "train_loss": loss, "train_top1": accuracy, "lr": job.recipe.lr * rate}
    if job.recipe.holdout:
        line |= evaluate(state.trained, job.measured, job.data.preprocessing)
    state.next_epoch(line)
    return line


def finish(trainer: Trainer, folder: RunFolder) -> dict[str, Any]:
    """Write weights, curves and result of a run whose epochs are all done, and return the result."""
    job, state, accelerator = trainer.job, trainer.state, trainer.accelerator
    wall, own = state.clock.elapsed()
    cpu = float(accelerator.reduce(torch.tensor(own, dtype=job.sum_dtype, device=accelerator.device), "sum"))
    if accelerator.is_main_process:
        trained = state.trained.float()
        answers = answer_pictures(trained, job.measured, job.data.preprocessing)
        metrics, beside = answers.metrics(), {} if job.teacher is None else agreement(job, answers)
        result = {
            "metrics": metrics,
            **({"beside_teacher": beside} if beside else {}),
            "measured_on": "held-out training pictures" if job.recipe.holdout else "test pictures",
            "pictures": len(job.measured),
            "wall_hours": wall / 3600,
            "cpu_hours": cpu / 3600,
            "environment": {**environment(accelerator.device), "processes": str(accelerator.num_processes)},
        }
        with folder.state_kept(folder.path):
            if isinstance(trained, DiracNet):
                _checkpoint(trained, job, metrics, beside).save(folder.model)
            folder.log(state.history)  # again: the run may have been killed between its last state and its log
            plot_curves(state.history, folder.curves)
            write_json(folder.result, result)
    accelerator.wait_for_everyone()
    return read_json(folder.result)


def _checkpoint(net: DiracNet, job: Job, metrics: Mapping[str, float], beside: Mapping[str, float]) -> Checkpoint:
    return Checkpoint(
        form="dirac",
        spec=net.spec,
        tag=TRAINED,
        labels=job.data.train.classes,
        preprocessing=job.data.preprocessing,
        state=net.state_dict(),
        facts=tell(job, metrics, beside),
    )
