"""What a training run would do and cost: the data found, the net's size, and a few steps timed. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from zoo.machine import processor
from zoo.models import DiracNet
from zoo.training.agreement import knowledge
from zoo.training.data import Dataset
from zoo.training.duplicates import count_repeated
from zoo.training.heap import kept_heap
from zoo.training.job import plan_job
from zoo.training.recipes import Recipe
from zoo.training.teacher import Teacher
from zoo.training.trainer import Trainer
from zoo.weights.checkpoint import Checkpoint

_WARM_UP, _TIMED = 2, 10
_MEASURED = 64
_SECONDS = 20.0
"""Seconds after which the timing ends, provided that two steps were timed."""


@dataclass(frozen=True)
class Preview:
    """What `preview` found out.

    Args:
        data: the data in a sentence.
        counts: class → number of training pictures.
        repeated: how many test pictures are training pictures too, or None where they are not in memory.
        recipe: all fields of the recipe.
        parameters: number of parameters of the net in training form.
        steps: steps of the whole run.
        step_seconds: fastest, median and slowest of the timed steps, in seconds.
        timed: number of timed steps.
        measure_seconds: estimate for measuring the net once on the test (or held-out) pictures, in seconds.
        teacher: how often the teacher is right about some training pictures, in a sentence; empty without one.
        answer_seconds: estimate for a teacher's answers to the versions of the pictures, as if none were kept and one
            process gave them all, in seconds.
        device: what was timed on.
    """

    data: str
    counts: dict[str, int]
    repeated: int | None
    recipe: dict[str, Any]
    parameters: int
    steps: int
    step_seconds: tuple[float, float, float]
    timed: int
    measure_seconds: float
    teacher: str
    answer_seconds: float
    device: str

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds for the whole run if every step is as fast as the fastest, or as slow as the slowest, timed one."""
        times = self.recipe["epochs"] + 1 if self.recipe["holdout"] else 1
        once = times * self.measure_seconds + self.answer_seconds
        fastest, _, slowest = (self.steps * each + once for each in self.step_seconds)
        return fastest, slowest

    def to_dict(self) -> dict[str, Any]:
        """Return everything in a form that JSON can hold."""
        return {**asdict(self), "seconds": list(self.seconds)}

    def lines(self) -> list[str]:
        """Return it as lines of text for people."""
        low, high = (_duration(each) for each in self.seconds)
        return [
            self.data,
            f"training pictures per class: {', '.join(f'{name} {count:,}' for name, count in self.counts.items())}",
            *([_repeated(self.repeated)] if self.repeated else []),
            f"{self.recipe['model']}: {self.parameters:,} parameters in training form",
            "recipe: " + ", ".join(f"{name} {value}" for name, value in self.recipe.items() if value not in ("", [])),
            f"{self.steps:,} steps in {self.recipe['epochs']} epochs, {self.step_seconds[1]:.3f} s a step (median of "
            f"{self.timed}; {self.step_seconds[0]:.3f} to {self.step_seconds[2]:.3f}) on {self.device}",
            *([self.teacher] if self.teacher else []),
            *(
                [f"the teacher's answers, unless they are kept already: {_duration(self.answer_seconds)}"]
                if self.answer_seconds
                else []
            ),
            f"the whole run: {low}" if low == high else f"the whole run: {low} to {high}",
            "That assumes that the machine stays as busy as it is now. Nothing was written.",
        ]


def preview(
    recipe: Recipe,
    data: Dataset,
    *,
    seed: int = 0,
    init: Checkpoint | None = None,
    teacher: nn.Module | Teacher | None = None,
) -> Preview:
    """Find out what `train` would do with the same arguments, by doing a few steps of it.

    Raises:
        ValueError: as in `train`, except that no folder is looked at.
    """
    job = plan_job(recipe, data, seed=seed, init=init, build=DiracNet, architecture=None, teacher=teacher)
    net = job.net()
    parameters = sum(parameter.numel() for parameter in net.parameters())
    kept = recipe.shown_versions if job.teacher is not None else 0
    trainer = Trainer(job, net, [torch.zeros(1, 1).expand(len(job.pictures), len(job.pictures.classes))] * kept)
    with kept_heap(job.accelerator.device):
        timed = _step_seconds(trainer)
    pictures, _ = next(iter(job.measured.in_order(_MEASURED)))
    with torch.inference_mode():
        inputs = data.preprocessing.normalize(pictures.to(job.accelerator.device)).to(job.dtype)
        each = _seconds(trainer.state.trained.eval(), inputs) / len(inputs)
        answer = job.answering() if kept else None
        answering = 0.0 if answer is None else _seconds(answer, inputs) / len(inputs) * kept * len(job.pictures)
    known, device = knowledge(job), job.accelerator.device
    return Preview(
        data=describe_data(data),
        counts=class_counts(data),
        repeated=count_repeated(data.train, data.test),
        recipe=recipe.to_dict(),
        parameters=parameters,
        steps=recipe.epochs * job.steps_per_epoch,
        step_seconds=(min(timed), median(timed), max(timed)),
        timed=len(timed),
        measure_seconds=each * len(job.measured),
        teacher=known.sentence() if known else "",
        answer_seconds=answering,
        device=processor() if device.type == "cpu" else str(device),
    )


def _step_seconds(trainer: Trainer) -> list[float]:
    """Return the seconds of a few steps, after the first ones, which take longer."""
    trainer.state.set_rate(0.0)
    times: list[float] = []
    begin = last = time.monotonic()
    for batch in trainer.job.batches(epoch=0):
        trainer.move(*trainer.gradients(batch))
        now = time.monotonic()
        times.append(now - last)
        last = now
        if len(times) >= _WARM_UP + _TIMED or (len(times) >= _WARM_UP + 2 and now - begin > _SECONDS):
            break
    return times[_WARM_UP:] or times  # an epoch may have fewer steps


def _seconds(net: Callable[[Tensor], Tensor], inputs: Tensor) -> float:
    """Return the seconds of a net's second answer: the first may compile it."""
    net(inputs).sum().item()  # .item() waits for the device
    begin = time.monotonic()
    net(inputs).sum().item()
    return time.monotonic() - begin


def class_counts(data: Dataset) -> dict[str, int]:
    """Return the number of training pictures of each class."""
    counts = torch.bincount(data.train.targets, minlength=len(data.train.classes)).tolist()
    return dict(zip(data.train.classes, counts, strict=True))


def describe_data(data: Dataset) -> str:
    """Return how many pictures of how many classes a data set has, in a sentence."""
    counts, how = class_counts(data), data.preprocessing
    fewest, most = min(counts.values()), max(counts.values())
    each = f"{fewest:,} each" if fewest == most else f"{fewest:,} to {most:,} each"
    only = "" if len(counts) > 1 else "; with a single class there is nothing to tell apart"
    return (
        f"{len(data.train):,} training pictures in {len(counts)} {'classes' if len(counts) > 1 else 'class'} ({each}) "
        f"and {len(data.test):,} test pictures, {len(how.mean)}×{how.size}×{how.size}{only}"
    )


def _repeated(count: int) -> str:
    are = "picture is a training picture" if count == 1 else "pictures are training pictures"
    return f"{count:,} test {are} too, pixel by pixel: a net that remembers them looks better than it is"


def _duration(seconds: float) -> str:
    """Return a duration in a suitable unit, to about two digits."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
