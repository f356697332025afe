"""The card: a bundle's README, generated from its description and its checks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from export.cards.background import background
from export.cards.front_matter import front_matter
from export.cards.note import FormatNote
from export.cards.usage import usage
from export.layout import FILES, FOLD_TOLERANCE, FOLDED, GOLDEN, INPUT, PICTURES, REPORT, TRAINING_CONFIG, TRAINING_FORM
from export.proof.check import Check


def card(
    description: Mapping[str, Any], checks: Sequence[Check], files: Collection[str], formats: Sequence[FormatNote]
) -> str:
    """Return a bundle's card in Markdown, with the front matter that model hubs read.

    Args:
        description: what config.json says.
        checks: that the bundle passed.
        files: names of its files.
        formats: notes on the formats that the net is written in.
    """
    name, weights, untrained = description["name"], description["weights"], description["untrained"]
    spec, preprocessing = description["spec"], description["preprocessing"]
    reference = f"{name}:{weights}" if "dataset" in description else f"{name} ({weights})"
    size = preprocessing["size"]
    pictures = f"{'RGB' if spec['in_channels'] == 3 else 'grey'} pictures of {size}×{size} pixels"
    lines = [*front_matter(description), f"# {reference}", ""]
    if untrained:
        lines += [
            "**Untrained: the weights are initial values drawn with a fixed seed. Its answers mean nothing.**",
            "",
        ]
    lines += [
        f"A DiracNet ([arXiv 1706.00388](https://arxiv.org/abs/1706.00388)) of depth {spec['depth']} and width "
        f"{spec['width']:g}, of the {spec['family']} family, version {spec['version']}, for {pictures} and "
        f"{spec['num_classes']} classes: convolutions, poolings and one linear layer, without skip connections.",
        "",
    ]
    if "metrics" in description:
        provenance = description["provenance"]
        source = provenance.get("measured") or provenance.get("source", "nobody recorded how")
        lines += [f"## Accuracy\n\nOn the test pictures of {description['dataset']} ({source}):", ""]
        lines += ["| figure | value |", "|---|---|"]
        units = {"top1": ("top-1", " %"), "top5": ("top-5", " %"), "loss": ("loss", " nats")}
        for key, value in sorted(description["metrics"].items()):
            title, unit = units[key]
            lines.append(f"| {title} | {value:.4g}{unit} |" if key == "loss" else f"| {title} | {value:.2f}{unit} |")
        lines += ["", _provenance(description["provenance"]), ""]
    elif not untrained:
        lines += ["Accuracy and licence of these weights are not known to this package.", ""]
    lines += [
        "## Files",
        "",
        "| file | what it is | accuracy |",
        "|---|---|---|",
        *(f"| `{file}` | {what} | {accuracy} |" for file, what, accuracy in _files(description, files, formats)),
        "",
        *_features(description["features"]),
        "## Preprocessing",
        "",
        f"Resize the shorter side to {preprocessing['resize']} pixels (PIL, {preprocessing['interpolation']}), crop "
        f"the central {size}×{size}, scale to [0, 1], subtract the mean "
        f"{_numbers(preprocessing['mean'])} and divide by the deviation {_numbers(preprocessing['std'])}. For graphs "
        f"named `…_pictures.onnx` the cropped `{PICTURES}` are ready; what follows the crop is in the graph. For the "
        f"others all of it is done before, and gives `{INPUT}`.",
        "",
        *usage(description, files, formats),
        *background(description),
        "## Checks",
        "",
        "`diracnet verify FOLDER` checks a downloaded copy: hashes, whether a file contradicts another, what they "
        "compute.",
        "",
        f"To check a file in a runtime of yours, give it `{PICTURES}` or `{INPUT}` of `{GOLDEN}` and compare with the "
        "outputs there.",
        "",
        f"{len(checks)} checks passed before this bundle was written; `{REPORT}` has their figures and limits.",
        "",
    ]
    return "\n".join(lines)


def _provenance(provenance: dict[str, Any]) -> str:
    """Say with what the accuracy was measured, or by whom."""
    if "environment" not in provenance:
        return f"Not measured by us. Pictures were resized by {provenance.get('resize_backend', 'an unknown library')}."
    environment = provenance["environment"]
    return (
        f"Seed {provenance['seed']}, {provenance['cpu_hours']:.1f} CPU-hours on {environment['device']}, "
        f"torch {environment['torch']}, torchvision {environment['torchvision']}; pictures resized by "
        f"{provenance['resize_backend']}."
    )


def _files(
    description: Mapping[str, Any], files: Collection[str], formats: Sequence[FormatNote]
) -> Iterator[tuple[str, str, str]]:
    """Yield each file with what it is and how accurate the net in it is, the formats behind the training form."""
    measured = "metrics" in description
    accuracies = {FOLDED: f"not measured; outputs within {FOLD_TOLERANCE:g} of the measured net's"}
    if measured:
        accuracies[TRAINING_FORM] = f"top-1 {description['metrics']['top1']:.2f} %, measured"
    rows = [(file, what, accuracies.get(file, "")) for file, what in FILES.items()]
    place = [file for file, _, _ in rows].index(TRAINING_CONFIG) + 1
    rows[place:place] = [(file, what, note.accuracy) for note in formats for file, what in note.files.items()]
    for file, what, accuracy in rows:
        if file in files:
            yield file, what, accuracy if measured else ""


def _features(features: Sequence[str]) -> list[str]:
    names = ", ".join(f"`{feature}`" for feature in features)
    return [f"Beside the logits the graphs give what these layers give: {names}.", ""] if features else []


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
