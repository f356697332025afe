"""The card: a bundle's README, generated from its description and its checks. Its text is in `templates/`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from export.cards.note import FormatNote
from export.cards.template import fill
from export.cards.usage import usage
from export.layout import FILES, FOLD_TOLERANCE, FOLDED, OUTPUT, TRAINING_CONFIG, TRAINING_FORM
from export.proof.check import Check
from zoo.cards.sections import sections
from zoo.metrics import figure


def card(
    description: Mapping[str, Any], checks: Sequence[Check], files: Collection[str], formats: Sequence[FormatNote]
) -> str:
    """Return a bundle's card as Markdown, with the front matter that model hubs read.

    Args:
        description: what config.json says.
        checks: the checks that the bundle passed.
        files: names of its files.
        formats: notes on the formats that the net is written in.
    """
    rows = (f"| `{file}` | {what} | {accuracy} |" for file, what, accuracy in _files(description, files, formats))
    filled = fill(
        "bundle",
        warning=_WARNING if description["untrained"] else "",
        files="\n".join(rows),
        features=_features(description["features"]),
        probabilities=_probabilities(description),
        usage=f"{usage(description, files, formats)}\n",
        checks=len(checks),
        **sections(description, _TAGS),
    )
    return f"{filled}\n"


_TAGS = ("diracnet", "image-classification", "onnx", "safetensors", "transformers.js")
_WARNING = "**Untrained: the weights are initial values drawn with a fixed seed. Its answers mean nothing.**\n"


def _files(
    description: Mapping[str, Any], files: Collection[str], formats: Sequence[FormatNote]
) -> Iterator[tuple[str, str, str]]:
    """Yield each file with its description and the accuracy of its net; the formats follow the training form."""
    top1 = description.get("metrics", {}).get("top1")
    measured = top1 is not None and "measured" in description.get("provenance", {})
    accuracies = {FOLDED: f"not measured; outputs within {FOLD_TOLERANCE:g} of the measured net's"}
    if measured:
        source = TRAINING_FORM if TRAINING_FORM in files else FOLDED
        accuracies[source] = f"top-1 {figure('top1', top1)}, measured"
    rows = [(file, what, accuracies.get(file, "")) for file, what in FILES.items()]
    place = list(FILES).index(TRAINING_CONFIG) + 1
    rows[place:place] = [(file, what, note.accuracy) for note in formats for file, what in note.files.items()]
    for file, what, accuracy in rows:
        if file in files:
            yield file, what, accuracy if measured else ""


def _features(features: Sequence[str]) -> str:
    names = ", ".join(f"`{feature}`" for feature in features)
    return f"In addition to the logits the graphs give the outputs of these layers: {names}.\n" if features else ""


def _probabilities(description: Mapping[str, Any]) -> str:
    """Return what turns outputs into probabilities, or nothing where that is the softmax alone."""
    if "temperature" not in description:
        return ""
    return (
        f"Probabilities are the softmax of the `{OUTPUT}` divided by {description['temperature']:g}, the temperature "
        "that was fitted so that answers given with 90% are right about nine times in ten. Whatever takes the softmax "
        "alone gives the same classes with other probabilities.\n"
    )
