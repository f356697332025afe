"""Recipes: everything that decides what a training run computes, as frozen data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

CHOICES = {
    "precision": ("float32", "bf16", "float64"),
    "schedule": ("steps", "triangle"),
    "crop": ("padded", "resized"),
    "flip": ("none", "random", "alternating"),
    "stem": ("random", "principal"),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a net is trained on cross-entropy. Each field is annotated with what it means.

    Raises:
        ValueError: a value is outside what its field allows.
    """

    model: Annotated[str, "the net's name"] = "diracnet16_cifar"
    epochs: Annotated[int, "passes over the training pictures"]
    batch_size: Annotated[int, "pictures a step, over all processes; an epoch's last, smaller batch is left out"] = 128
    accumulation: Annotated[int, "parts in which each process works through its share of a step, to save memory"] = 1
    precision: Annotated[str, "float32; bf16 where the operation allows; float64, for tests"] = "float32"
    compile: Annotated[bool, "whether torch.compile compiles the net"] = False
    lr: Annotated[float, "the peak learning rate of SGD"]
    momentum: Annotated[float, "of SGD"] = 0.9
    nesterov: Annotated[bool, "whether SGD's momentum is Nesterov's"] = True
    muon_lr: Annotated[float, "the kernels' peak rate under Muon, which then takes them over from SGD; 0: no Muon"] = (
        0.0
    )
    fixed_norm: Annotated[
        bool, "whether Muon gives each kernel a norm that stays, so that a step at rate r turns it by about r radians"
    ] = False
    ema: Annotated[float, "decay a step of the running average of weights that is kept in their place; 0: none"] = 0.0
    beta: Annotated[float, "what beta of all Dirac layers starts from; 0: upstream's 0.1, or 0.001 in version 1"] = 0.0
    bn_bias: Annotated[float, "what the bias of each BatchNorm behind a Dirac layer starts from"] = 0.0
    stem: Annotated[str, "what the first kernels start from: random; principal: the data's principal components"] = (
        "random"
    )
    weight_decay: Annotated[float, "on weights of two and more dimensions; in version 1 on all, as upstream did"] = 5e-4
    schedule: Annotated[str, "steps: constant between milestones; triangle: linear up, then linear down to zero"] = (
        "triangle"
    )
    warmup: Annotated[float, "share of all steps in which a triangle rises"] = 0.2
    milestones: Annotated[tuple[int, ...], "epochs after which the rate of steps is multiplied by gamma"] = ()
    gamma: Annotated[float, "see milestones"] = 0.2
    label_smoothing: Annotated[float, "share of the target probability that is spread over all classes"] = 0.0
    crop: Annotated[
        str,
        "random crops: padded: of the pictures with a border, held in memory; resized: of any part of the pictures, "
        "read from their files in each epoch",
    ] = "padded"
    crop_padding: Annotated[int, "pixels of reflection around pictures, for padded crops"] = 4
    flip: Annotated[str, "which pictures are mirrored: none; random: half of them; alternating: every other epoch"] = (
        "random"
    )
    holdout: Annotated[float, "share of the training pictures to measure on in place of the test pictures"] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)!r}: allowed are {', '.join(allowed)}")
        for name in ("epochs", "batch_size", "accumulation", "lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)}: must be above zero and finite")
        for name in ("momentum", "muon_lr", "beta", "bn_bias", "weight_decay", "crop_padding"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)}: must not be negative, and finite")
        for name in ("ema", "warmup", "label_smoothing", "holdout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0 and below 1")
        if self.fixed_norm and not self.muon_lr:
            raise ValueError(
                "fixed_norm=True, muon_lr=0: it is Muon that fixes norms; give muon_lr, such as 0.015, or no fixed_norm"
            )

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step, counted from 0 over the whole run, as a share of its peak."""
        if self.schedule == "steps":
            return self.gamma ** sum(step // steps_per_epoch >= epoch for epoch in self.milestones)
        total = self.epochs * steps_per_epoch
        peak = self.warmup * total
        # Counted at the middle of the step, so that neither the first nor the last step has a rate of zero.
        now = step + 0.5
        return now / peak if now < peak else (total - now) / (total - peak)

    def without_dirac_layers(self) -> Recipe:
        """Return the recipe without what Dirac layers start from: what it means to a net that has none."""
        return replace(self, beta=0.0, bn_bias=0.0)

    def for_trained_weights(self) -> Recipe:
        """Return the recipe without what only a new net can start from."""
        return replace(self.without_dirac_layers(), stem="random")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return {**asdict(self), "milestones": list(self.milestones)}


RECIPES: dict[str, Recipe] = {
    # The paper's, section 4.1, and upstream's train.py.
    "cifar": Recipe(epochs=200, lr=0.1, nesterov=False, schedule="steps", milestones=(60, 120, 160)),
    # For machines without an accelerator: annealed to zero within few epochs. Where beta and the biases start was
    # chosen in deep nets of version 2 (docs/recipes.md). A wide and shallow one wants beta=0.5 and bn_bias=0, and
    # version 1, whose alpha starts at 5, beta=1.5 and bn_bias=0.
    "cifar-short": Recipe(
        epochs=30,
        lr=0.2,
        muon_lr=0.015,
        fixed_norm=True,
        beta=0.2,
        bn_bias=0.5,
        stem="principal",
        label_smoothing=0.1,
        flip="alternating",
    ),
    # The paper's, section 4.2: upstream's train.py with --epoch-steps 30,60,90.
    "imagenet": Recipe(
        model="diracnet18",
        epochs=100,
        batch_size=256,
        lr=0.1,
        nesterov=False,
        weight_decay=1e-4,
        schedule="steps",
        milestones=(30, 60, 90),
        gamma=0.1,
        crop="resized",
    ),
    # One grey channel; a mirrored shoe is a shoe.
    "fashion-mnist": Recipe(epochs=20, lr=0.2, muon_lr=0.1),
    # Seconds on a laptop: scikit-learn's 1,797 digits of 8×8 pixels, enlarged to 16. Mirrored digits are no digits.
    "digits": Recipe(model="diracnet10_cifar", epochs=15, batch_size=64, lr=0.1, crop_padding=1, flip="none"),
}
"""Name → recipe. `diracnet train --recipe NAME` starts from one; flags replace single fields."""
