"""A net's answers for labelled pictures, and how many of them are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.labels import difference
from zoo.preprocessing import Preprocessing
from zoo.training.classes import renumbered
from zoo.training.data import Measurable, Pictures
from zoo.weights.checkpoint import Checkpoint


@dataclass(frozen=True)
class Answers:
    """The logits of a net for labelled pictures, and the classes that these show.

    Args:
        logits: (n, classes), on the CPU.
        targets: int64, (n,), the class of each picture.

    Raises:
        ValueError: there are no pictures, or a logit is not finite.
    """

    logits: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if not len(self.targets):
            raise ValueError("there are no pictures to measure on")
        finite = self.logits.isfinite().all(dim=1)
        if not finite.all():
            raise ValueError(
                f"the net's answers for {int((~finite).sum()):,} of {len(finite):,} pictures are not finite numbers; "
                "the weights are damaged, or training diverged"
            )

    @property
    def predicted(self) -> Tensor:
        """The most probable class of each picture, int64, (n,)."""
        return self.logits.argmax(dim=1)

    @property
    def right(self) -> Tensor:
        """Whether each picture got its class, bool, (n,)."""
        return self.predicted == self.targets

    def metrics(self) -> dict[str, float]:
        """Return `{"top1": %, "top5": %, "loss": nats}`; top5 is absent with five or fewer classes."""
        metrics = {"top1": 100 * self.right.double().mean().item()}
        if self.logits.shape[1] > 5:
            among = (self.logits.topk(5).indices == self.targets[:, None]).any(dim=1)
            metrics["top5"] = 100 * among.double().mean().item()
        return {**metrics, "loss": F.cross_entropy(self.logits.double(), self.targets).item()}


@torch.inference_mode()
def answer_pictures(
    model: nn.Module,
    pictures: Measurable,
    preprocessing: Preprocessing,
    *,
    batch_size: int = 500,
    on_batch: Callable[[int], None] = lambda done: None,
) -> Answers:
    """Return a net's answers for pictures, without test-time augmentation.

    Args:
        model: maps (batch, channels, height, width) to logits; used in eval mode and left in the mode it had.
        pictures: the pictures to measure on.
        preprocessing: the preprocessing that belongs to the weights.
        batch_size: pictures per forward pass; the answers do not depend on it.
        on_batch: called after each batch with the number of pictures done.

    Raises:
        ValueError: an answer is not finite.
    """
    was_training = model.training
    model.eval()
    device, dtype = (first := next(model.parameters())).device, first.dtype
    logits, targets, done = [], [], 0
    try:
        for images, classes in pictures.in_order(batch_size):
            logits.append(model(preprocessing.normalize(images.to(device)).to(dtype)).float().cpu())
            targets.append(classes.cpu())
            done += len(classes)
            on_batch(done)
    finally:
        model.train(was_training)
    return Answers(torch.cat(logits), torch.cat(targets))


def evaluate(
    model: nn.Module,
    pictures: Measurable,
    preprocessing: Preprocessing,
    *,
    batch_size: int = 500,
    on_batch: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:
    """Return top-1 and top-5 accuracy in percent and the mean cross-entropy; see `answer_pictures`."""
    return answer_pictures(model, pictures, preprocessing, batch_size=batch_size, on_batch=on_batch).metrics()


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


def in_order_of(checkpoint: Checkpoint, pictures: Pictures, what: str, data: str) -> Pictures:
    """Return pictures with the classes of a net, which are told by their names.

    A data set may lack classes of the net, and list its classes in another order.

    Raises:
        ValueError: it has classes that the net does not tell apart; for a net without labels, another number of them.
    """
    if not set(pictures.classes) <= set(checkpoint.labels):
        check_classes(checkpoint, pictures, what, data)
        return pictures
    targets = renumbered(pictures.targets, pictures.classes, among=checkpoint.labels)
    return replace(pictures, targets=targets, classes=checkpoint.labels)
