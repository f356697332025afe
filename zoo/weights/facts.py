"""What is known of weights beside the net: what they were trained and measured on, how accurate they are, whose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from zoo.cards.licences import check_licence
from zoo.description import PROVENANCE, RECIPE
from zoo.metrics import METRICS
from zoo.preprocessing import check_temperature

LONGEST = 200
"""Characters that a name may have."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a card says of weights beside their structure. A checkpoint file carries it; training writes it.

    Everything may be left out. `Facts(dataset="my pets", metrics={"top1": 93.1}, licence="MIT")` is a user's.

    Args:
        dataset: name of the data set that the net was trained and measured on; `ORG/NAME` means one on the Hub.
        metrics: "top1" and "top5" in percent, "loss" in nats.
        licence: the licence of the weights, as an SPDX identifier that the Hub knows.
        base: the weights that training started from: `NAME:TAG`, `ORG/NAME`, or any name.
        recipe: how it was trained, as fields of `zoo.training.recipes.Recipe`.
        provenance: everything else that was recorded, such as what was measured and how, seed and versions.
        temperature: what logits are divided by before they become probabilities; see `zoo.training.calibration`.

    Raises:
        ValueError: a name is empty, long or not one line; a metric is unknown or out of range; no such licence; the
            temperature is out of range.
    """

    dataset: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    licence: str | None = None
    base: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0

    def __post_init__(self) -> None:
        for name in ("dataset", "base", "licence"):
            value = getattr(self, name)
            if value is not None and (
                not isinstance(value, str) or not value.strip() or len(value) > LONGEST or not value.isprintable()
            ):
                raise ValueError(f"{name}={value!r}: a name is one line of at most {LONGEST} printable characters")
        if self.licence is not None:
            object.__setattr__(self, "licence", check_licence(self.licence))
        for name in ("metrics", "recipe", "provenance"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"{name}={getattr(self, name)!r}: must be a mapping of names to values")
        check_temperature(self.temperature)
        RECIPE.check(dict(self.recipe), "recipe")
        PROVENANCE.check(dict(self.provenance), "provenance")
        for name, value in self.metrics.items():
            if name not in METRICS:
                raise ValueError(f"metrics: no figure is named {name!r}; there are {', '.join(METRICS)}")
            top = 100 if name.startswith("top") else math.inf
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not 0 <= value <= top
                or value == math.inf
            ):
                raise ValueError(f"metrics: {name}={value!r}: must be a number between 0 and {top:g}")

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, in a form that JSON can hold; `{}` if nothing is."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        unknown = [name for name, value in values.items() if not value or (name == "temperature" and value == 1)]
        known = {name: value for name, value in values.items() if name not in unknown}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in known.items()}

    def describe(self) -> dict[str, Any]:
        """Return what is known by the names that config.json and cards use."""
        known = self.to_dict()
        if "base" in known:
            known["base_model"] = known.pop("base")
        # Of the float32 net, even where an fp16 or int8 graph repeats it.
        return {**known, **({"metrics_format": "fp32"} if "metrics" in known else {})}

    @classmethod
    def from_dict(cls, values: Any) -> Facts:
        """Return the facts that `to_dict` returned; ValueError for anything else."""
        if not isinstance(values, Mapping):
            raise ValueError(f"facts={values!r}: must be a mapping of names to values")
        if unknown := sorted(map(str, values.keys() - {each.name for each in fields(cls)})):
            raise ValueError(f"facts: unknown are {', '.join(unknown)}")
        return cls(**values)
