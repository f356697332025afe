"""Facts worded for the cards: a recipe, a data set, the origin of a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def recipe_text(recipe: Mapping[str, Any]) -> str:
    """Return a recipe in a sentence, without the net's name."""
    fields = {name: value for name, value in sorted(recipe.items()) if name != "model" and value not in ([], None, "")}
    told = (f"{name.replace('_', ' ')} {_readable(value)}" for name, value in fields.items())
    return f"SGD on cross-entropy: {', '.join(told)}. Each is a flag of `diracnet train`."


def provenance_text(provenance: Mapping[str, Any]) -> str:
    """Return what a figure was measured on, or who measured it."""
    if "environment" not in provenance:
        return f"Not measured by us. Pictures were resized by {provenance.get('resize_backend', 'an unknown library')}."
    return f"{run_text(provenance)}; pictures resized by {provenance['resize_backend']}."


def run_text(provenance: Mapping[str, Any]) -> str:
    """Return seed, hours, hardware and versions of a training run in a phrase."""
    environment = provenance["environment"]
    return (
        f"Seed {provenance['seed']}, {provenance['cpu_hours']:.1f} CPU-hours on {environment['device']}, "
        f"torch {environment['torch']}, torchvision {environment['torchvision']}"
    )


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
