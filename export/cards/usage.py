"""How to use what a card describes, in the languages and libraries that people use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from export.cards.note import FormatNote
from export.cards.template import fill
from export.layout import TRAINING_FORM
from zoo.cards.names import ANYWHERE, PLACEHOLDER


def usage(description: Mapping[str, Any], files: Collection[str], formats: Sequence[FormatNote]) -> str:
    """Return a card's section on use."""
    repository = description.get("repository", ANYWHERE)
    size, channels = description["preprocessing"]["size"], description["spec"]["in_channels"]
    trainable = f'\ntrainable = zoo.from_pretrained("{repository}")  # a zoo.DiracNet, for fine-tuning'
    shipped = "reference" in description and "recipe" in description
    return fill(
        "usage",
        placeholder=PLACEHOLDER if repository == ANYWHERE else "",
        repository=repository,
        trainable=trainable if TRAINING_FORM in files else "",
        torch_hub=fill("torch_hub", name=description["name"], weights=description["weights"]) + "\n" if shipped else "",
        formats="\n".join(line for note in formats for line in note.usage),
        shape=f"(1, {channels}, {size}, {size})",
    )
