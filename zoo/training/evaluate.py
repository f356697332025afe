"""Accuracy and loss of a net on labelled pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.labels import difference
from zoo.preprocessing import Preprocessing
from zoo.training.data import Measurable
from zoo.weights.checkpoint import Checkpoint


@dataclass(frozen=True)
class Tally:
    """Running totals of an evaluation: pictures seen, top-1 and top-5 hits, and the summed loss."""

    pictures: int = 0
    right1: int = 0
    right5: int = 0
    loss: float = 0.0

    def add(self, logits: Tensor, targets: Tensor) -> Tally:
        """Return the tally with one more batch: logits (batch, classes) and targets (batch,)."""
        ranked = logits.topk(min(5, logits.shape[1])).indices == targets[:, None]
        return Tally(
            self.pictures + len(targets),
            self.right1 + int(ranked[:, 0].sum()),
            self.right5 + int(ranked.any(dim=1).sum()),
            self.loss + F.cross_entropy(logits, targets, reduction="sum").item(),
        )

    def metrics(self, num_classes: int) -> dict[str, float]:
        """Return `{"top1": %, "top5": %, "loss": nats}`; top5 is absent with five or fewer classes."""
        shares = {"top1": 100 * self.right1 / self.pictures, "top5": 100 * self.right5 / self.pictures}
        if num_classes <= 5:
            del shares["top5"]
        return {**shares, "loss": self.loss / self.pictures}


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    pictures: Measurable,
    preprocessing: Preprocessing,
    *,
    batch_size: int = 500,
    on_batch: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:
    """Return top-1 and top-5 accuracy in percent and the mean cross-entropy, without test-time augmentation.

    Args:
        model: maps (batch, channels, height, width) to logits; evaluated in eval mode and left in the mode it had.
        pictures: the pictures to measure on.
        preprocessing: the preprocessing that belongs to the weights.
        batch_size: pictures per forward pass; the figures do not depend on it.
        on_batch: called after each batch with the number of pictures done.

    Returns:
        `{"top1": %, "top5": %, "loss": nats}`; see `Tally.metrics`.
    """
    was_training = model.training
    model.eval()
    device, dtype = (first := next(model.parameters())).device, first.dtype
    tally = Tally()
    try:
        for images, targets in pictures.in_order(batch_size):
            logits = model(preprocessing.normalize(images.to(device)).to(dtype)).float()
            tally = tally.add(logits, targets.to(device))
            on_batch(tally.pictures)
    finally:
        model.train(was_training)
    return tally.metrics(len(pictures.classes))


def check_classes(checkpoint: Checkpoint, pictures: Measurable, what: str, data: str) -> None:
    """Raise ValueError, with the differences, if a net's classes are not those of a data set.

    Args:
        checkpoint: the net; without labels only the number of classes is compared.
        pictures: the pictures of the data set.
        what: the net, as the user named it.
        data: the data set, as the user named it.
    """
    labels = checkpoint.labels
    differing = f": {difference(labels, pictures.classes, what, data)}" if labels else ""
    if checkpoint.spec.num_classes != len(pictures.classes):
        raise ValueError(
            f"{what} has {checkpoint.spec.num_classes} classes, {data} has {len(pictures.classes)}{differing}"
        )
    if labels and labels != pictures.classes:
        raise ValueError(f"{what} tells other classes apart than {data} has{differing}")
