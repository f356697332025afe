"""The parts that every card has, from front matter to citation, as the templates name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.cards.front_matter import TAGS, front_matter
from zoo.cards.template import escaped, fill
from zoo.cards.wording import accuracy_text, classes_text, data_text, preprocessing_text, training_text
from zoo.preprocessing import KINDS


def sections(description: Mapping[str, Any], tags: Sequence[str] = TAGS) -> dict[str, object]:
    """Return the parts by name; those of which nothing is known are empty.

    Args:
        description: what config.json says.
        tags: what the Hub is to list the weights under.
    """
    spec, preprocessing = description["spec"], description["preprocessing"]
    size = f" of {preprocessing['size']}×{preprocessing['size']} pixels" if preprocessing else ""
    unknown = "" if description["untrained"] else "Nobody recorded how accurate these weights are.\n"
    calibration = "" if "temperature" in description else ", and its probabilities are not calibrated"
    channels = spec["in_channels"]
    licence = escaped(description.get("licence") or "")
    return {
        "front_matter": "\n".join(front_matter(description, tags)),
        "title": _title(description),
        "depth": spec["depth"],
        "width": f"{spec['width']:g}",
        "family": spec["family"],
        "version": spec["version"],
        "pictures": f"{KINDS.get(channels, f'{channels}-channel')} pictures{size}",
        "num_classes": spec["num_classes"],
        "classes": classes_text(list(description["id2label"].values()), spec["num_classes"]),
        "accuracy": accuracy_text(description) or unknown,
        "preprocessing": preprocessing_text(preprocessing),
        "data": _section("Data", data_text(description)),
        "training": _section("Training", training_text(description)),
        "limits": fill("limits", calibration=calibration),
        "licence": _section("Licence", f"{licence}." if licence else ""),
        "citation": fill("citation"),
    }


def _title(description: Mapping[str, Any]) -> str:
    """Return what a card is headed by: `NAME:TAG` for the registry's weights, else the net and its data set."""
    name, dataset = description["name"], description.get("dataset")
    if reference := description.get("reference"):
        return str(reference)
    return f"{name}, trained on {escaped(dataset)}" if dataset else f"{name} ({escaped(description['weights'])})"


def _section(head: str, text: str) -> str:
    return f"## {head}\n\n{text}\n" if text else ""
