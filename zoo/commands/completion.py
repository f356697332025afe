"""What the shell offers for values: names of nets and weights, recipes, data sets. Files are offered by the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def nets() -> Iterable[str]:
    """Return the names of the nets."""
    from zoo.nets.registry import MODELS

    return MODELS


def models() -> Iterable[str]:
    """Return what MODEL may be, of what has a name: NAME and NAME:TAG."""
    from zoo.weights.record import all_weights

    return [*nets(), *(f"{name}:{tag}" for name, tag in all_weights())]


def recipes() -> Iterable[str]:
    """Return the names of the recipes."""
    from zoo.training.recipes import RECIPES

    return RECIPES


def data() -> Iterable[str]:
    """Return what --data may be, of what has a name."""
    from zoo.datasets import DATASETS
    from zoo.training.places import DIGITS_KEY

    return [DIGITS_KEY, *(f"{key}:" for key in DATASETS if key != DIGITS_KEY)]


def datasets() -> Iterable[str]:
    """Return the keys of the data sets."""
    from zoo.datasets import DATASETS

    return DATASETS


def forms() -> Iterable[str]:
    """Return the forms of a net."""
    from zoo.layout import FORMS

    return FORMS


def offer(values: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return typer's callback for values of which one is given."""
    return lambda incomplete: [value for value in values() if value.startswith(incomplete)]


def offer_several(values: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return typer's callback for values that are joined by commas: the last one is completed."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return [f"{before}{comma}{value}" for value in values() if value.startswith(last) and value not in given]

    return complete
