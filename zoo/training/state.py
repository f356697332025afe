"""The mutable state of a training run: what changes at every step and is saved for resuming."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Clock:
    """Wall-clock and processor seconds of a run, over all the processes that continued it one after another.

    The workers that read pictures count once they have ended, as they do after each epoch.
    """

    def __init__(self, wall: float = 0.0, cpu: float = 0.0) -> None:
        self._wall, self._cpu = wall - time.monotonic(), cpu - _processor_seconds()

    def elapsed(self) -> tuple[float, float]:
        """Return wall and processor seconds so far."""
        return self._wall + time.monotonic(), self._cpu + _processor_seconds()


def _processor_seconds() -> float:
    workers = os.times()  # Windows leaves theirs at zero
    return time.process_time() + workers.children_user + workers.children_system


@dataclass
class EpochSums:
    """The progress of an epoch, and its sums so far."""

    epoch: int = 0
    step: int = 0
    seen: int = 0
    right: int = 0
    loss: float = 0.0

    def add(self, pictures: int, loss: float, right: int) -> None:
        """Count one more step."""
        self.step, self.seen = self.step + 1, self.seen + pictures
        self.loss, self.right = self.loss + loss, self.right + right

    @property
    def means(self) -> tuple[float, float]:
        """Mean loss, and accuracy in percent."""
        return self.loss / self.seen, 100 * self.right / self.seen


def running_average(net: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of a net that becomes the running average of its weights and BatchNorm statistics.

    After the first step it is a copy of the net. The step after t others keeps (1 + t) / (10 + t) of it, but no more
    than `decay`: with that decay from the start, the first steps would outweigh all others in a short run.
    Source: TensorFlow's `tf.train.ExponentialMovingAverage` with `num_updates`.

    Args:
        net: the net.
        decay: largest share of the average that a step keeps, between 0 and 1.

    Example:
        >>> net = nn.Linear(1, 1)
        >>> average = running_average(net, decay=0.999)
        >>> average.update_parameters(net)  # after each step of the optimizers
    """

    def update(average: Any, current: Any, steps: Tensor | int) -> None:
        step = int(steps)  # waits for the device, so only once
        get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))(average, current, steps)

    return AveragedModel(net, multi_avg_fn=update, use_buffers=True)


class TrainingState:
    """Net, running average of its weights, optimizers, place in the run, log and time.

    Args:
        net: the net being trained, not wrapped for several processes.
        optimizers: its optimizers; each group keeps its peak rate as `initial_lr`.
        ema: decay of `running_average`; 0 for none.
    """

    def __init__(self, net: nn.Module, optimizers: list[torch.optim.Optimizer], ema: float) -> None:
        self.net, self.optimizers = net, optimizers
        self._average = running_average(net, ema) if ema else None
        self.now, self.clock = EpochSums(), Clock()
        self.history: list[dict[str, Any]] = []

    @property
    def trained(self) -> nn.Module:
        """The net that the run is for: the running average if there is one."""
        return self._average.module if self._average is not None else self.net

    @property
    def is_finite(self) -> bool:
        """Whether all weights are finite."""
        return all(bool(tensor.isfinite().all()) for tensor in self.net.state_dict().values())

    def set_rate(self, share: float) -> None:
        """Set all learning rates to this share of their peaks."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * share

    def step(self) -> None:
        """Update the weights by their gradients."""
        for optimizer in self.optimizers:
            optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self.net)

    def next_epoch(self, line: dict[str, Any]) -> None:
        """Keep the line of a finished epoch, and start counting the next one."""
        self.history.append(line)
        self.now = EpochSums(self.now.epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        """Return everything, in types that `torch.load` reads with weights_only."""
        average: dict[str, Tensor] = {} if self._average is None else self._average.state_dict()
        return {
            "model": self.net.state_dict(),
            "average": average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "elapsed": self.clock.elapsed(),
            "now": asdict(self.now),
            "history": self.history,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore everything that `state_dict` returned."""
        self.net.load_state_dict(saved["model"])
        if self._average is not None:
            self._average.load_state_dict(saved["average"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.clock, self.now, self.history = Clock(*saved["elapsed"]), EpochSums(**saved["now"]), saved["history"]
