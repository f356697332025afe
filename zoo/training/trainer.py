"""One step of training: its gradients, over parts and processes, and the update."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nets.composing import composed_together
from zoo.training.data import Batch
from zoo.training.job import Job
from zoo.training.optimizers import make_optimizers
from zoo.training.state import TrainingState
from zoo.training.teacher import divergence


class Trainer:
    """A net on its device, with optimizers, running average and teacher.

    Args:
        job: what is trained and how.
        net: from `Job.net`; moved to the device, not copied.
        answers: the teacher's to each version of the pictures, (pictures, classes) each; without them it is asked in
            every step.
    """

    def __init__(self, job: Job, net: nn.Module, answers: Sequence[Tensor] = ()) -> None:
        self.job = job
        recipe, self.accelerator = job.recipe, job.accelerator
        net = net.to(self.accelerator.device, job.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizers = make_optimizers(net, recipe, decay_scales=job.spec.version == 1)
        self.state = TrainingState(net, optimizers, recipe.ema)
        if recipe.compile:
            net.compile()
        self._model, *self.state.optimizers = self.accelerator.prepare(net, *optimizers)
        self._answers, self._teacher = answers, None if answers else job.answering()
        self._model.train()

    def gradients(self, batch: Batch) -> tuple[float, int]:
        """Compute the gradients of a step.

        Args:
            batch: this process's share of the batch, batch_size / processes pictures.

        Returns:
            The summed loss and the number of right answers, over all processes.
        """
        recipe = self.job.recipe
        self._model.zero_grad()
        sums = torch.zeros(2, dtype=self.job.sum_dtype, device=self.accelerator.device)
        parts = [Batch(*each) for each in zip(*(each.chunk(recipe.accumulation) for each in batch), strict=True)]
        for index, part in enumerate(parts):
            # Processes exchange gradients once a step, with the last part.
            with nullcontext() if index == len(parts) - 1 else self.accelerator.no_sync(self._model):
                # A compiler sees the calls of all layers and needs no help.
                with nullcontext() if recipe.compile else composed_together(self._model), self.job.autocast():
                    logits = self._model(part.images)
                logits = logits.to(part.images.dtype)
                loss = self._loss(logits, part)
                self.accelerator.backward(loss / len(parts))
            sums[0] += loss.detach() * len(part.targets)
            sums[1] += (logits.detach().argmax(dim=1) == part.targets).sum()
        loss_sum, right = self.accelerator.reduce(sums, "sum").tolist()
        return loss_sum, int(right)

    def move(self, loss_sum: float, right: int) -> None:
        """Update the weights by the gradients, and count the step."""
        self.state.step()
        self.state.now.add(self.job.recipe.batch_size, loss_sum, right)

    def _loss(self, logits: Tensor, batch: Batch) -> Tensor:
        recipe = self.job.recipe
        loss = F.cross_entropy(logits, batch.targets, label_smoothing=recipe.label_smoothing)
        if self._answers:
            answers = self._answers[self.state.now.epoch % recipe.versions][batch.indices].to(logits.device)
        elif self._teacher is not None:
            answers = self._teacher(batch.images)
        else:
            return loss
        return torch.lerp(loss, divergence(logits, answers.to(logits.dtype), recipe.temperature), recipe.teacher_weight)
