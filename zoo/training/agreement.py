"""What a teacher knows about a run's pictures, and how often the trained net answers as it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.training.evaluate import Answers
from zoo.training.job import Job
from zoo.training.teacher import Teacher

_SAMPLE, _BATCH = 512, 500
"""Number of training pictures after which a teacher is asked no more, because its answers take long; and the measured
pictures of a batch."""


@dataclass(frozen=True)
class Knowledge:
    """How often a teacher is right about augmented training pictures, and how it sees them.

    A teacher whose classes are in another order, or whose input is not what it expects, raises no error: it is only
    seldom right.

    Args:
        teacher: the teacher.
        right: number of right answers.
        pictures: number of pictures that it was asked about.
        resized: side that pictures are resized to for it, in pixels, or None.
    """

    teacher: Teacher
    right: int
    pictures: int
    resized: int | None

    @property
    def top1(self) -> float:
        """Its right answers in percent."""
        return 100 * self.right / self.pictures

    def sentence(self) -> str:
        """Return it in a sentence, with what to look at if the teacher is wrong more often than not."""
        sees = f", seeing them at {self.resized} pixels" if self.resized else ""
        seldom = "; if you expect more, look at the order of its classes and at the size and normalization of its input"
        return (
            f"the teacher {self.teacher.name} classifies {self.top1:.1f}% of {self.pictures:,} augmented training "
            f"pictures correctly{sees}{seldom if 2 * self.right < self.pictures else ''}"
        )


@torch.inference_mode()
def knowledge(job: Job, answers: Sequence[Tensor] = ()) -> Knowledge | None:
    """Return what a run's teacher knows; None without a teacher.

    Args:
        job: the run.
        answers: the teacher's to each version of the training pictures, if they are kept; all of the first version then
            count. Otherwise it is asked about the first batches of the first epoch.
    """
    teacher = job.teacher
    if teacher is None:
        return None
    right, asked = 0, 0
    for given, targets in [(answers[0], job.pictures.targets)] if answers else _asked_now(job):
        right += int((given.argmax(dim=1) == targets).sum())
        asked += len(targets)
        if asked >= _SAMPLE:
            break
    return Knowledge(teacher, right, asked, teacher.size if teacher.resizes(job.data.preprocessing) else None)


def _asked_now(job: Job) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the teacher's logits for the batches of the first epoch, with the targets."""
    if (answer := job.answering()) is not None:
        for batch in job.batches(epoch=0):
            yield answer(batch.images), batch.targets


@torch.inference_mode()
def agreement(job: Job, answers: Answers) -> dict[str, float]:
    """Return how often a run's teacher is right about the pictures that the run measures on, and the net agrees.

    Args:
        job: the run, which has a teacher.
        answers: those of the net to all these pictures, in their order.

    Returns:
        `{"top1": %, "agreement": %}`: the teacher's accuracy, and the share of the pictures for which both name the
        same class, right or wrong.
    """
    answer = job.answering()
    assert answer is not None
    how, device = job.data.preprocessing, job.accelerator.device
    batches = (how.normalize(images.to(device)).to(job.dtype) for images, _ in job.measured.in_order(_BATCH))
    theirs = torch.cat([answer(batch).argmax(dim=1).cpu() for batch in batches])
    same = {"top1": answers.targets, "agreement": answers.predicted}
    return {name: 100 * (theirs == classes).double().mean().item() for name, classes in same.items()}
