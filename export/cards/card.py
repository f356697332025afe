"""The card: a bundle's README, generated from its description and its checks. Its text is in `templates/`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from export.cards.facts import provenance_text, recipe_text
from export.cards.front_matter import front_matter
from export.cards.note import FormatNote
from export.cards.template import fill
from export.cards.usage import usage
from export.layout import FILES, FOLD_TOLERANCE, FOLDED, OUTPUT, TRAINING_CONFIG, TRAINING_FORM
from export.proof.check import Check
from zoo.datasets import find_dataset
from zoo.metrics import METRICS, figure
from zoo.preprocessing import KINDS


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
    name, weights = description["name"], description["weights"]
    spec, preprocessing = description["spec"], description["preprocessing"]
    size, dataset = preprocessing["size"], description.get("dataset")
    rows = (f"| `{file}` | {what} | {accuracy} |" for file, what, accuracy in _files(description, files, formats))
    filled = fill(
        "bundle",
        front_matter="\n".join(front_matter(description)),
        reference=f"{name}:{weights}" if dataset is not None else f"{name} ({weights})",
        warning=_WARNING if description["untrained"] else "",
        depth=spec["depth"],
        width=f"{spec['width']:g}",
        family=spec["family"],
        version=spec["version"],
        pictures=f"{KINDS[spec['in_channels']]} pictures of {size}×{size} pixels",
        num_classes=spec["num_classes"],
        accuracy=_accuracy(description),
        files="\n".join(rows),
        features=_features(description["features"]),
        resize=preprocessing["resize"],
        interpolation=preprocessing["interpolation"],
        size=size,
        mean=_numbers(preprocessing["mean"]),
        std=_numbers(preprocessing["std"]),
        probabilities=_probabilities(description),
        usage=_section(usage(description, files, formats)),
        data=_section(f"## Data\n\n{find_dataset(dataset).note}" if dataset is not None else ""),
        recipe=_section(f"## Recipe\n\n{recipe_text(description['recipe'])}" if "recipe" in description else ""),
        limits=fill("limits"),
        licence=_section(f"## Licence\n\n{description['licence']}." if "licence" in description else ""),
        citation=fill("citation"),
        checks=len(checks),
    )
    return f"{filled}\n"


_WARNING = "**Untrained: the weights are initial values drawn with a fixed seed. Its answers mean nothing.**\n"


def _section(text: str) -> str:
    return f"{text}\n" if text else ""


def _accuracy(description: Mapping[str, Any]) -> str:
    """Return the section on accuracy, a sentence if it is unknown, or nothing for untrained weights."""
    if "metrics" not in description:
        return "" if description["untrained"] else "This package does not know accuracy and licence of these weights.\n"
    provenance = description["provenance"]
    source = provenance.get("measured") or provenance.get("source", "nobody recorded how")
    metrics = sorted(description["metrics"].items())
    rows = (f"| {METRICS[key].title} | {figure(key, value)} |" for key, value in metrics)
    table = "\n".join(("| figure | value |", "|---|---|", *rows))
    head = f"## Accuracy\n\nOn the test pictures of {description['dataset']} ({source}):"
    return f"{head}\n\n{table}\n\n{provenance_text(provenance)}\n"


def _files(
    description: Mapping[str, Any], files: Collection[str], formats: Sequence[FormatNote]
) -> Iterator[tuple[str, str, str]]:
    """Yield each file with its description and the accuracy of its net; the formats follow the training form."""
    measured = "metrics" in description
    accuracies = {FOLDED: f"not measured; outputs within {FOLD_TOLERANCE:g} of the measured net's"}
    if measured:
        accuracies[TRAINING_FORM] = f"top-1 {figure('top1', description['metrics']['top1'])}, measured"
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
        "at which the net is neither too sure nor too unsure. Whatever takes the softmax alone gives the same classes "
        "with other probabilities.\n"
    )


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
