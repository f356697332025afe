"""Accuracy and loss of a net on labelled pictures."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from zoo.preprocessing import Preprocessing
from zoo.training.data import Measurable


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
        pictures: what to measure on.
        preprocessing: the weights' own.
        batch_size: pictures at a time; the figures do not depend on it.
        on_batch: told after each batch how many pictures are done.

    Returns:
        `{"top1": %, "top5": %, "loss": nats}`; top5 is absent with five or fewer classes.
    """
    was_training = model.training
    model.eval()
    device, dtype = (first := next(model.parameters())).device, first.dtype
    right = {1: 0, 5: 0}
    loss, done = 0.0, 0
    try:
        for images, targets in pictures.in_order(batch_size):
            logits = model(preprocessing.normalize(images.to(device)).to(dtype)).float()
            targets = targets.to(device)
            loss += F.cross_entropy(logits, targets, reduction="sum").item()
            ranked = logits.topk(min(5, logits.shape[1])).indices == targets[:, None]
            for k in right:
                right[k] += int(ranked[:, :k].any(dim=1).sum())
            done += len(targets)
            on_batch(done)
    finally:
        model.train(was_training)
    metrics = {f"top{k}": 100 * count / len(pictures) for k, count in right.items() if k < len(pictures.classes)}
    return {**metrics, "loss": loss / len(pictures)}
