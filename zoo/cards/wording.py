"""Facts worded for the cards: a data set, accuracy, a recipe, the origin of a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.cards.names import short_name
from zoo.cards.template import escaped
from zoo.datasets import DATASETS, find_dataset
from zoo.metrics import METRICS, figure

OWN_PICTURES = "pictures of its author's own"
"""What a data set without a name is called."""
_MANY = 20
"""Classes that a card lists; the rest is counted."""


def classes_text(labels: Sequence[str], num_classes: int) -> str:
    """Return the classes in a sentence: all names if there are few, or the first of them."""
    if not labels:
        return f"It tells {num_classes:,} classes apart, whose names are not recorded."
    names = ", ".join(map(escaped, labels[:_MANY]))
    more = f" and {len(labels) - _MANY:,} more, all listed in `config.json`" if len(labels) > _MANY else ""
    return f"It tells {len(labels):,} classes apart: {names}{more}."


def accuracy_text(description: Mapping[str, Any]) -> str:
    """Return the section on accuracy, or nothing if no figures are known."""
    if not (metrics := description.get("metrics")):
        return ""
    provenance = description.get("provenance", {})
    how = escaped(provenance.get("measured") or provenance.get("source") or "as its author states")
    rows = (f"| {METRICS[key].title} | {figure(key, value)} |" for key, value in sorted(metrics.items()))
    table = "\n".join(("| figure | value |", "|---|---|", *rows))
    dataset = escaped(description.get("dataset") or OWN_PICTURES)
    parts = (f"On {dataset} ({how}):", table, _published(provenance), provenance_text(provenance))
    return "\n\n".join(("## Accuracy", *filter(None, parts))) + "\n"


def _published(provenance: Mapping[str, Any]) -> str:
    """Return the figures that others published of the same weights, one a line; see `zoo.weights.record`."""
    lines = []
    for row in provenance.get("published", ()):
        figures = ", ".join(f"{METRICS[key].title} {figure(key, value)}" for key, value in row["metrics"].items())
        lines.append(f"- {figures}: {escaped(row['source'])}; pictures resized by {escaped(row['resize_backend'])}")
    return "\n".join(lines)


def data_text(description: Mapping[str, Any]) -> str:
    """Return what a reader must know of the data set, or nothing if the weights have none."""
    dataset, counts = description.get("dataset"), description.get("provenance", {}).get("pictures")
    if dataset is None and counts is None:
        return ""
    row = find_dataset(dataset or OWN_PICTURES)
    if row in DATASETS.values():
        return row.note
    name = escaped(dataset) if dataset else OWN_PICTURES.capitalize()
    if counts is None:
        return f"{name}; nothing more is recorded."
    return f"{name}: {counts['train']:,} to train on and {counts['test']:,} to measure on."


def preprocessing_text(preprocessing: Mapping[str, Any] | None) -> str:
    """Return how pictures become the net's input, in a sentence."""
    if preprocessing is None:
        return "How pictures become the net's input is not recorded."
    size, (mean, std) = preprocessing["size"], (_numbers(preprocessing[name]) for name in ("mean", "std"))
    return (
        f"Resize the shorter side to {preprocessing['resize']} pixels (PIL, {preprocessing['interpolation']}), crop "
        f"the central {size}×{size}, scale to [0, 1], subtract the mean {mean} and divide by the standard deviation "
        f"{std}."
    )


def training_text(description: Mapping[str, Any]) -> str:
    """Return how a net was trained: what it started from, who taught it, its recipe, the command; or nothing."""
    recipe, provenance = description.get("recipe"), description.get("provenance", {})
    parts = []
    if base := description.get("base_model"):
        parts.append(f"{'Fine-tuned' if recipe else 'Made'} from {_model(base)}.")
    if recipe:
        parts.append(recipe_text(recipe, provenance))
    if reference := description.get("reference"):
        command = again_command(reference, description["dataset"]) if recipe else ""
    else:
        command = provenance.get("command", "")
    if command:
        line = " ".join(command.split()).replace("`", "'")
        parts.append(f"To train such a net again:\n\n```sh\n{line}\n```")
        parts += [note] if (note := again_note(reference, provenance)) else []
    return "\n\n".join(parts)


def again_command(reference: str, dataset: str) -> str:
    """Return the command that trains the registry's weights again; FOLDER and RUN stand for folders.

    Example:
        >>> again_command("diracnet16_cifar:cifar10", "CIFAR-10 (JPEG-75)")
        'diracnet train --like diracnet16_cifar:cifar10 --data cifar10-jpeg75:FOLDER --out RUN'
    """
    key = next((row.key for row in DATASETS.values() if row.title == dataset), None)
    data = "FOLDER" if key is None else key if key == "digits" else f"{key}:FOLDER"
    return f"diracnet train --like {reference} --data {data} --out RUN"


def again_note(reference: str | None, provenance: Mapping[str, Any]) -> str:
    """Return what `again_command` lacks: the teacher, where the net has taken its place; or nothing.

    Example:
        >>> again_note("net:tag", {"teacher": {"name": "net:tag"}})[:40]
        'Its teacher is the net that it replaced.'
    """
    if reference is None or (provenance.get("teacher") or {}).get("name") != reference:
        return ""
    folder = f"checkpoints/{reference.replace(':', '/')}"
    return (
        f"Its teacher is the net that it replaced. In a clone, `git log {folder}` lists the commits; take the file "
        f"of an earlier one by `git show COMMIT:{folder}/dirac/model.safetensors > teacher.safetensors`, and add "
        "`--teacher teacher.safetensors`."
    )


def recipe_text(recipe: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    """Return a recipe in a sentence, without the net's name, and who taught the net if it was taught."""
    told_apart = ("model", "teacher", "teacher_weight", "temperature")
    fields = {name: value for name, value in sorted(recipe.items()) if name not in told_apart}
    given = {name: value for name, value in fields.items() if value not in ([], None, "")}
    told = (escaped(f"{name.replace('_', ' ')} {_readable(value)}") for name, value in given.items())
    optimizer = "Muon for the kernels and SGD for the rest" if recipe.get("muon_lr") else "SGD"
    return (
        f"{optimizer}, {_loss(recipe, provenance)}: {', '.join(told)}. Each is a flag of `diracnet train`."
        f"{_beside_teacher(provenance)}"
    )


def _loss(recipe: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    share, taught = recipe.get("teacher_weight", 0), provenance.get("teacher") or {}
    teacher = taught.get("name") or recipe.get("teacher")
    if not share or not teacher:
        return "on cross-entropy"
    # A name may stand for other weights by now, even for those that were taught.
    which = f" (digest of its tensors {escaped(taught['digest'][:8])}…)" if "digest" in taught else ""
    rest = f", and {1 - share:.0%} is cross-entropy" if share < 1 else ""
    return (
        f"taught by {_model(teacher)}{which}: {share:.0%} of the loss is the divergence from its answers to the same "
        f"augmented pictures, at temperature {recipe.get('temperature', 1):g}{rest}"
    )


def _beside_teacher(provenance: Mapping[str, Any]) -> str:
    found = provenance.get("beside_teacher")
    if not found:
        return ""
    return (
        f" Of the pictures that it was measured on, its teacher classifies {found['top1']:.2f}% correctly, and both "
        f"give {found['agreement']:.2f}% the same class."
    )


def _model(name: str) -> str:
    return "`" + " ".join(short_name(name).split()).replace("`", "'") + "`"


def provenance_text(provenance: Mapping[str, Any]) -> str:
    """Return what a figure was measured on, or who measured it; nothing if nothing is recorded."""
    if not provenance:
        return ""
    backend = escaped(provenance.get("resize_backend", "an unknown library"))
    if "seed" in provenance:
        return f"{run_text(provenance)}; pictures resized by {backend}."
    if "environment" in provenance:
        return f"Measured on {_where(provenance['environment'])}; pictures resized by {backend}."
    return f"Not measured by us. Pictures were resized by {backend}."


def run_text(provenance: Mapping[str, Any]) -> str:
    """Return seed, hours, hardware and versions of a training run in a phrase; hours only if they are recorded."""
    hours = f"{provenance['cpu_hours']:.1f} CPU-hours on " if "cpu_hours" in provenance else ""
    where = _where(provenance.get("environment") or {})
    return f"Seed {escaped(str(provenance['seed']))}" + (f", {hours}{where}" if where else "")


def _where(environment: Mapping[str, Any]) -> str:
    """Return hardware and versions in a phrase."""
    versions = (f"{name} {environment[name]}" for name in ("torch", "torchvision") if name in environment)
    return ", ".join(escaped(part) for part in (str(environment.get("device", "")), *versions) if part)


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
