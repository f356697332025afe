"""The card: a bundle's README, generated from its description and its checks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from export.bundle.parity import FOLD_FLOAT32
from export.cards.background import background
from export.cards.front_matter import front_matter
from export.cards.usage import usage
from export.layout import FILES, FOLDED, FORMS, GOLDEN, INPUT, PICTURES, REPORT, TRAINING_FORM
from export.proof.check import Check


def card(description: dict[str, Any], checks: Sequence[Check], files: Collection[str]) -> str:
    """Return a bundle's card in Markdown, with the front matter that model hubs read; `files` are its files."""
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
        *(f"| `{file}` | {what} | {_accuracy(file, description)} |" for file, what in FILES.items() if file in files),
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
        *usage(description, files),
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


def _accuracy(file: str, description: dict[str, Any]) -> str:
    """Say how accurate the net in a file is: measured, or by how much its outputs may differ from what was."""
    if "metrics" not in description:
        return ""
    if file == TRAINING_FORM:
        return f"top-1 {description['metrics']['top1']:.2f} %, measured"
    tolerances = {path: form.tolerance for form in FORMS.values() for path in (form.path, form.pictures)}
    if file != FOLDED and file not in tolerances:
        return ""
    if file in (FORMS["int8"].path, FORMS["int8"].pictures):
        # Its tolerance is that of whole-number arithmetic, and says nothing of what rounding costs.
        return "not measured here; `diracnet verify FOLDER --data DATA` measures it"
    return f"not measured; outputs within {tolerances.get(file, FOLD_FLOAT32):g} of the measured net's"


def _features(features: Sequence[str]) -> list[str]:
    names = ", ".join(f"`{feature}`" for feature in features)
    return [f"Beside the logits the graphs give what these layers give: {names}.", ""] if features else []


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
