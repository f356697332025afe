"""Recipes: everything that decides what a training run computes, as frozen data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
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
    """How a net is trained on cross-entropy, and on a teacher's answers if there is a teacher.

    Each field is annotated with its meaning, which is also the help text of its flag: `replace(RECIPES["cifar"],
    epochs=100)` and `diracnet train --recipe cifar --epochs 100` say the same.

    Raises:
        ValueError: a value is outside what its field allows.
    """

    model: Annotated[str, "name of the net"] = "diracnet16_cifar"
    epochs: Annotated[int, "passes over the training pictures"]
    batch_size: Annotated[int, "pictures per step, over all processes; an incomplete last batch is dropped"] = 128
    accumulation: Annotated[int, "parts in which each process works through its share of a step, to save memory"] = 1
    precision: Annotated[str, "float32; bf16 (autocast); float64, for tests"] = "float32"
    compile: Annotated[bool, "compile the net with torch.compile"] = False
    lr: Annotated[float, "peak learning rate of SGD"]
    momentum: Annotated[float, "momentum of SGD"] = 0.9
    nesterov: Annotated[bool, "use Nesterov momentum in SGD"] = True
    muon_lr: Annotated[float, "peak learning rate of Muon, which trains the kernels instead of SGD (0 = no Muon)"] = 0.0
    fixed_norm: Annotated[
        bool, "let Muon hold the norm of each kernel constant, so that a step at rate r turns it by about r radians"
    ] = False
    ema: Annotated[
        float, "decay per step of the running average that replaces the weights at the end, lower at first (0 = none)"
    ] = 0.0
    beta: Annotated[float, "initial beta of every Dirac layer (0 = upstream's default: 0.1, or 0.001 in version 1)"] = (
        0.0
    )
    bn_bias: Annotated[float, "initial bias of each BatchNorm that follows a Dirac layer"] = 0.0
    stem: Annotated[str, "initial kernels of the first layer: random, or the principal components of the data"] = (
        "random"
    )
    weight_decay: Annotated[
        float, "weight decay on parameters of two or more dimensions; in version 1 on all, as upstream did"
    ] = 5e-4
    schedule: Annotated[
        str, "steps: constant between milestones; triangle: rises linearly, then falls linearly to zero"
    ] = "triangle"
    warmup: Annotated[float, "share of all steps during which the triangle rises"] = 0.2
    milestones: Annotated[tuple[int, ...], "epochs after which the rate is multiplied by gamma, for steps"] = ()
    gamma: Annotated[float, "factor by which the rate changes at each milestone"] = 0.2
    label_smoothing: Annotated[float, "share of the target probability that is spread over all classes"] = 0.0
    teacher: Annotated[
        str,
        "trained classifier to learn from: NAME:TAG, a checkpoint file, ORG/NAME, timm:NAME or torchvision:NAME; "
        "empty for none",
    ] = ""
    teacher_weight: Annotated[
        float, "share of the loss that is the divergence from the teacher's answers; the rest is cross-entropy"
    ] = 0.0
    temperature: Annotated[float, "what the logits of net and teacher are divided by before they are compared"] = 1.0
    crop: Annotated[
        str,
        "random crops: padded (shifted within a border; pictures are held in memory) or resized (any part of the "
        "picture; files are read again in each epoch)",
    ] = "padded"
    crop_padding: Annotated[int, "pixels of reflection around each picture, for padded crops"] = 4
    flip: Annotated[str, "mirroring: none; random (half of the pictures); alternating (every other epoch)"] = "random"
    cutout: Annotated[
        int, "side in pixels of a square, centred anywhere in each picture, that is painted the mean colour (0 = none)"
    ] = 0
    versions: Annotated[
        int,
        "augmented versions of each picture, drawn once and shown in turn, one in each epoch; a teacher then answers "
        "each of them only once (0: new ones in every epoch)",
    ] = 0
    holdout: Annotated[
        float, "share of the training pictures that is held out and measured on instead of the test pictures"
    ] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)!r}: allowed are {', '.join(allowed)}")
        for name in ("epochs", "batch_size", "accumulation", "lr", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)}: must be above zero and finite")
        for name in ("momentum", "muon_lr", "beta", "bn_bias", "weight_decay", "crop_padding", "cutout", "versions"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)}: must be finite and at least 0")
        if not 0 < self.gamma < math.inf:
            raise ValueError(f"gamma={self.gamma}: must be above zero and finite")
        if any(epoch < 1 for epoch in self.milestones):
            raise ValueError(f"milestones={self.milestones}: must be counts of epochs, from 1")
        for name in ("ema", "warmup", "label_smoothing", "holdout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0 and below 1")
        if not 0 <= self.teacher_weight <= 1:
            raise ValueError(f"teacher_weight={self.teacher_weight}: must be at least 0 and at most 1")
        if self.teacher and not self.teacher_weight:
            raise ValueError(
                f"teacher={self.teacher!r}, teacher_weight=0: nothing would be learnt from it; give a teacher_weight "
                "above 0, such as 0.9, or no teacher"
            )
        if self.versions % 2 and self.flip == "alternating":
            raise ValueError(
                f"versions={self.versions}, flip='alternating': give an even number, so that both sides of "
                "each picture are shown equally often, or another flip"
            )
        if self.fixed_norm and not self.muon_lr:
            raise ValueError(
                "fixed_norm=True, muon_lr=0: only Muon fixes norms; give a muon_lr, such as 0.015, or no fixed_norm"
            )

    @property
    def shown_versions(self) -> int:
        """How many versions of the pictures a run comes to; 0 if each epoch has new ones."""
        return min(self.versions, self.epochs)

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
        """Return the recipe without the initial values of Dirac layers: as it applies to a net that has none."""
        return replace(self, beta=0.0, bn_bias=0.0)

    def for_trained_weights(self) -> Recipe:
        """Return the recipe without the initial values that only a new net can have."""
        return replace(self.without_dirac_layers(), stem="random")

    @classmethod
    def completed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of an older recipe with the defaults of the fields that it lacks.

        A new field's default stands for what was done before the field existed.
        """
        defaults = {field.name: field.default for field in fields(cls) if field.default is not MISSING}
        return {**defaults, "milestones": list(cls.milestones), **values}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields in a form that JSON can hold."""
        return {**asdict(self), "milestones": list(self.milestones)}


RECIPES: dict[str, Recipe] = {
    # The paper's, section 4.1, and upstream's train.py.
    "cifar": Recipe(epochs=200, lr=0.1, nesterov=False, schedule="steps", milestones=(60, 120, 160)),
    # For machines without an accelerator: annealed to zero within few epochs. The initial beta and biases were chosen
    # with deep nets of version 2 (docs/recipes.md). A wide and shallow net needs beta=0.5 and bn_bias=0; version 1,
    # whose alpha starts at 5, needs beta=1.5 and bn_bias=0.
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
    # One grey channel; a mirrored shoe is still a shoe.
    "fashion-mnist": Recipe(epochs=20, lr=0.2, muon_lr=0.1),
    # Seconds on a laptop: scikit-learn's 1,797 digits of 8×8 pixels, enlarged to 16. Mirrored digits are not digits.
    "digits": Recipe(model="diracnet10_cifar", epochs=15, batch_size=64, lr=0.1, crop_padding=1, flip="none"),
}
"""Name → recipe. `diracnet train --recipe NAME` starts from one; flags replace single fields."""

LIBRARIES = ("timm", "torchvision")
"""Libraries whose nets may be teachers, as `LIBRARY:NAME`."""

MOST_SEED = (1 << 63) - 1
"""The largest seed that a run may have: the files of weights name it, and PyTorch takes it."""

DATA: Mapping[str, str] = {"digits": "digits"}
"""Recipe → the data set to train on if no other is named."""


def check_seed(seed: int) -> None:
    """Raise ValueError unless a run may have the seed."""
    if not 0 <= seed <= MOST_SEED:
        raise ValueError(f"seed={seed}: must be a whole number from 0 to {MOST_SEED}")
