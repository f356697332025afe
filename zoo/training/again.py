"""How weights were trained, for training such a net again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.cards.names import repository_name, short_name
from zoo.preprocessing import Preprocessing
from zoo.training.recipes import Recipe
from zoo.weights.facts import Facts
from zoo.weights.record import Weight, get_weight
from zoo.weights.reference import Tagged, parse_reference

if TYPE_CHECKING:
    from zoo.training.data import Dataset


_LEARNT = {"teacher": "was taught by", "init": "started from"}


class Named(NamedTuple):
    """Weights, by the name that they had and the digest that they have."""

    name: str
    digest: str


@dataclass(frozen=True)
class Training:
    """How some weights were trained, as far as is recorded.

    Args:
        of: the weights, as the user named them.
        recipe: the recipe.
        seed: the seed.
        size: side of the pictures, in pixels; None if it is not recorded.
        channels: of the pictures; None if it is not recorded.
        base: name of the weights that it started from; None for a new net.
        data: "train" and "test" → fingerprint of the pictures.
        weights: what it learnt from, by role: "teacher" and "init", the weights that it started from.
    """

    of: str
    recipe: Recipe
    seed: int
    size: int | None
    channels: int | None
    base: str | None
    data: Mapping[str, str]
    weights: Mapping[str, Named]

    @property
    def init(self) -> str | None:
        """What `--init` is to name; None for a new net. ValueError if the weights have no name for others."""
        if self.base is None or _is_for_others(self.base):
            return self.base
        raise ValueError(f"{self.of} was trained from weights of its author's own, {self.base}; name yours with --init")

    @property
    def teacher(self) -> str:
        """What `--teacher` is to name; empty without one. ValueError if the teacher has no name for others."""
        if not self.recipe.teacher_weight or _is_for_others(self.recipe.teacher):
            return self.recipe.teacher
        named = self.weights.get("teacher", Named(self.recipe.teacher or "a module", "unknown"))
        raise ValueError(
            f"{self.of} was taught by a classifier of its author's own, {named.name} (weights {named.digest[:8]}); "
            "name yours with --teacher"
        )

    def notes(self, data: Dataset, weights: Mapping[str, Named]) -> list[str]:
        """Return in sentences what differs from what the weights were trained on and learnt from.

        Args:
            data: the pictures.
            weights: role → the weights that have it now. Others than the recorded ones by name are the user's choice.
        """
        own = {"train": data.train.sha256(), "test": data.test.sha256()}
        done = {"train": "trained", "test": "measured"}
        other = [done[half] for half, digest in self.data.items() if half in own and own[half] != digest]
        pictures = [f"{self.of} was {' and '.join(other)} on other pictures"] if other else []
        pairs = [(role, then, weights[role]) for role, then in self.weights.items() if role in weights]
        return pictures + [
            f"{self.of} {_LEARNT[role]} weights {then.digest[:8]} of {then.name}, which stands for weights "
            f"{now.digest[:8]} now"
            for role, then, now in pairs
            if short_name(now.name) == then.name and now.digest != then.digest
        ]


def _is_for_others(name: str) -> bool:
    """Tell whether a name means the same weights on any machine: NAME:TAG or a repository of the Hub."""
    return ":" in name or repository_name(name) is not None


def training_of(reference: str) -> Training:
    """Return how weights were trained.

    Args:
        reference: `NAME:TAG`, which needs no weights here, or whatever else `zoo.reference.open_model` takes.

    Raises:
        ValueError: nobody recorded it, or not in a way that this version understands.

    Example:
        >>> training_of("diracnet16_cifar:cifar10").seed
        0
    """
    known: Weight | Facts
    preprocessing: Preprocessing | None
    match parse_reference(reference):
        case Tagged(name, tag):
            known = record = get_weight(name, tag)
            preprocessing = record.preprocessing
        case _:
            from zoo.reference import open_model  # PyTorch is not needed for what has a name

            checkpoint, found = open_model(reference)
            known, preprocessing = found or checkpoint.facts, checkpoint.preprocessing
    if not known.recipe:
        raise ValueError(f"nobody recorded how {reference} was trained; name a --recipe")
    provenance: Mapping[str, Any] = known.provenance
    started, taught = provenance.get("init") or {}, provenance.get("teacher") or {}
    try:
        recipe = Recipe(**Recipe.completed(known.recipe))
        own = f"{known.recipe['model']} ({started['weights']})" if started else None
        base = started.get("name", own)
        learnt_from = {"teacher": (taught.get("name"), taught.get("digest")), "init": (base, started.get("digest"))}
        return Training(
            of=reference,
            recipe=recipe,
            seed=int(provenance["seed"]),
            size=preprocessing.size if preprocessing else None,
            channels=len(preprocessing.mean) if preprocessing else None,
            base=base,
            data=dict(provenance.get("data_sha256", {})),
            weights={role: Named(name, str(digest)) for role, (name, digest) in learnt_from.items() if name and digest},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"how {reference} was trained is recorded in another way than this version's: {error}"
        ) from error
