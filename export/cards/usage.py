"""How to use what a card describes, in the languages and libraries that people use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from export.cards.note import FormatNote
from export.cards.template import fill
from export.layout import TRAINING_FORM

REPOSITORY = "ORG/NAME"
"""Placeholder for the repository in the cards of bundles that have none."""
_PLACEHOLDER = f"`{REPOSITORY}` stands for the repository on the Hub, or for the folder of this bundle.\n"


def usage(description: Mapping[str, Any], files: Collection[str], formats: Sequence[FormatNote]) -> str:
    """Return a card's section on use."""
    repository = description.get("repository", REPOSITORY)
    size, channels = description["preprocessing"]["size"], description["spec"]["in_channels"]
    trainable = f'\ntrainable = zoo.from_pretrained("{repository}")  # a zoo.DiracNet, for fine-tuning'
    shipped = "dataset" in description and "recipe" in description
    return fill(
        "usage",
        placeholder=_PLACEHOLDER if repository == REPOSITORY else "",
        repository=repository,
        trainable=trainable if TRAINING_FORM in files else "",
        torch_hub=fill("torch_hub", name=description["name"], weights=description["weights"]) + "\n" if shipped else "",
        formats="\n".join(line for note in formats for line in note.usage),
        shape=f"(1, {channels}, {size}, {size})",
    )
