"""Recipes: everything that decides what a training run computes, as frozen data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SCHEDULES = ("steps", "triangle")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a net is trained: SGD on cross-entropy.

    Args:
        model: the net's name, as in `zoo.list_models()`.
        epochs: passes over the training pictures.
        batch_size: pictures a step; the last, smaller batch of an epoch is left out.
        lr: the peak learning rate.
        momentum, nesterov: of SGD.
        weight_decay: on weights of two and more dimensions; in version 1 on all parameters, as upstream trained them.
        schedule: "steps" multiplies the rate by `gamma` after each epoch in `milestones`; "triangle" rises linearly
            from zero over the share `warmup` of all steps, then falls linearly to zero.
        warmup, milestones, gamma: see schedule.
        label_smoothing: share of the target probability spread over all classes.
        crop_padding: pixels of reflection padding from which random crops are taken; 0 for none.
        flip: whether each picture is mirrored with probability one half.
        holdout: share of each class of the training pictures that is held out to compare recipes on; the run then
            measures these and never touches the test pictures.

    Raises:
        ValueError: a value is outside what its field allows.
    """

    model: str = "diracnet16_cifar"
    epochs: int
    batch_size: int = 128
    lr: float
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: str = "triangle"
    warmup: float = 0.2
    milestones: tuple[int, ...] = ()
    gamma: float = 0.2
    label_smoothing: float = 0.0
    crop_padding: int = 4
    flip: bool = True
    holdout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule={self.schedule!r}: allowed are {', '.join(SCHEDULES)}")
        for name in ("epochs", "batch_size", "lr"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be above zero")
        for name in ("momentum", "weight_decay", "crop_padding"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)}: must not be negative")
        for name in ("warmup", "label_smoothing", "holdout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0 and below 1")

    def learning_rate(self, step: int, steps_per_epoch: int) -> float:
        """Return the rate of a step, counted from 0 over the whole run."""
        if self.schedule == "steps":
            return self.lr * self.gamma ** sum(step // steps_per_epoch >= epoch for epoch in self.milestones)
        total = self.epochs * steps_per_epoch
        peak = self.warmup * total
        # Counted at the middle of the step, so that neither the first nor the last step has a rate of zero.
        now = step + 0.5
        return self.lr * (now / peak if now < peak else (total - now) / (total - peak))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return {**asdict(self), "milestones": list(self.milestones)}


RECIPES: dict[str, Recipe] = {
    # The paper's, section 4.1, and upstream's train.py.
    "cifar": Recipe(epochs=200, lr=0.1, nesterov=False, schedule="steps", milestones=(60, 120, 160)),
    # The same optimizer annealed to zero within few epochs, for machines without an accelerator.
    "cifar-short": Recipe(epochs=30, lr=0.2),
    # Seconds on a laptop: scikit-learn's 1,797 digits of 8×8 pixels, enlarged to 16. Mirrored digits are no digits.
    "digits": Recipe(model="diracnet10_cifar", epochs=15, batch_size=64, lr=0.1, crop_padding=1, flip=False),
}
"""Name → recipe. `diracnet train --recipe NAME` starts from one; flags replace single fields."""
