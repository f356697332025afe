"""One step of training: its gradients, over parts and processes, and the update."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nets.composing import composed_together
from zoo.training.job import Job
from zoo.training.optimizers import make_optimizers
from zoo.training.state import TrainingState
from zoo.training.teacher import divergence


class Trainer:
    """A net on its device, with optimizers, running average and teacher.

    Args:
        job: what is trained and how.
        net: from `Job.net`; moved to the device, not copied.
    """

    def __init__(self, job: Job, net: nn.Module) -> None:
        self.job = job
        recipe, self.accelerator = job.recipe, job.accelerator
        net = net.to(self.accelerator.device, job.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizers = make_optimizers(net, recipe, decay_scales=job.spec.version == 1)
        self.state = TrainingState(net, optimizers, recipe.ema)
        if recipe.compile:
            net.compile()
        self._model, *self.state.optimizers = self.accelerator.prepare(net, *optimizers)
        self._teacher: nn.Module | None = None
        if job.teacher is not None:
            self._teacher = job.teacher.module(job.data.preprocessing, self.accelerator.device, job.dtype)
        self._model.train()

    def gradients(self, images: Tensor, targets: Tensor) -> tuple[float, int]:
        """Compute the gradients of a step.

        Args:
            images: this process's share of the batch, (batch_size / processes, channels, height, width).
            targets: the classes of the images, (batch_size / processes,).

        Returns:
            The summed loss and the number of right answers, over all processes.
        """
        recipe = self.job.recipe
        self._model.zero_grad()
        sums = torch.zeros(2, dtype=torch.float64, device=self.accelerator.device)
        parts = list(zip(images.chunk(recipe.accumulation), targets.chunk(recipe.accumulation), strict=True))
        for index, (part, truth) in enumerate(parts):
            # Processes exchange gradients once a step, with the last part.
            with nullcontext() if index == len(parts) - 1 else self.accelerator.no_sync(self._model):
                # A compiler sees the calls of all layers and needs no help.
                with nullcontext() if recipe.compile else composed_together(self._model), self._autocast():
                    logits = self._model(part)
                logits = logits.to(images.dtype)
                loss = self._loss(logits, part, truth)
                self.accelerator.backward(loss / len(parts))
            sums[0] += loss.detach() * len(truth)
            sums[1] += (logits.detach().argmax(dim=1) == truth).sum()
        loss_sum, right = self.accelerator.reduce(sums, "sum").tolist()
        return loss_sum, int(right)

    def move(self, loss_sum: float, right: int) -> None:
        """Update the weights by the gradients, and count the step."""
        self.state.step()
        self.state.now.add(self.job.recipe.batch_size, loss_sum, right)

    def in_any_process(self, flag: bool) -> bool:
        """Return whether the flag is set in at least one of the processes."""
        if self.accelerator.num_processes == 1:
            return flag
        count = torch.tensor(int(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(count, "sum").item())

    def _autocast(self) -> torch.autocast:
        bf16 = self.job.recipe.precision == "bf16"
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=bf16)

    def _loss(self, logits: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        recipe = self.job.recipe
        loss = F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
        if self._teacher is None:
            return loss
        # Not inference_mode, whose tensors a backward pass must not keep.
        with torch.no_grad(), self._autocast():
            answers = self._teacher(images)
        distance = divergence(logits, answers.to(logits.dtype), recipe.temperature)
        return torch.lerp(loss, distance, recipe.teacher_weight)
