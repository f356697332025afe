"""What a trained net's file says of its training: the facts of a card, and the command that trains such a net again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch

from zoo.cards.names import short_name
from zoo.datasets import DATASETS
from zoo.machine import environment
from zoo.training.data import Measurable
from zoo.training.job import Job
from zoo.training.places import find_place
from zoo.training.recipes import RECIPES, Recipe
from zoo.training.sources import default_preprocessing
from zoo.weights.checkpoint import Checkpoint
from zoo.weights.facts import Facts


def tell(job: Job, metrics: Mapping[str, float], beside_teacher: Mapping[str, float]) -> Facts:
    """Return what is known of the net that a run has trained. Equal runs on one machine tell the same.

    Args:
        job: the run.
        metrics: its figures.
        beside_teacher: those of `zoo.training.agreement.agreement`; empty without a teacher.
    """
    key = job.data.key
    return Facts(
        dataset=None if key is None else DATASETS[key].title,
        metrics=metrics,
        base=None if job.init is None else _base(job.init),
        recipe={**job.recipe.to_dict(), "teacher": short_name(job.recipe.teacher)},
        provenance={
            "measured": measured(len(job.measured), held_out=bool(job.recipe.holdout)),
            "resize_backend": "PIL",
            "seed": job.seed,
            "pictures": {"train": len(job.pictures), "test": len(job.measured)},
            "data_sha256": {"train": job.data.train.sha256(), "test": job.data.test.sha256()},
            "environment": environment(job.accelerator.device),
            "command": command(job),
            **taught_by(None if job.teacher is None else job.teacher.identity(job.data.preprocessing)),
            **({"beside_teacher": beside_teacher} if beside_teacher else {}),
            **({} if job.init is None else {"init": _started(job.init)}),
        },
    )


def taught_by(teacher: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a net's provenance says of its teacher, by a name that is no path; nothing if it had none.

    Args:
        teacher: what identifies it, from `Teacher.identity`.
    """
    return {"teacher": {**teacher, "name": short_name(teacher["name"])}} if teacher else {}


def measured(pictures: int, held_out: bool) -> str:
    """Return in a phrase what figures were measured on, and when."""
    which = "held-out training pictures" if held_out else "test pictures"
    return f"last epoch, no test-time augmentation, {pictures} {which}"


def measurement(
    checkpoint: Checkpoint, pictures: Measurable, data: str, metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Return what `diracnet evaluate --out` writes: figures for a card, and which net they are of.

    Args:
        checkpoint: the net.
        pictures: what it was measured on.
        data: the data set, as the user named it.
        metrics: its figures.
    """
    place = find_place(data)
    return {
        "digest": checkpoint.digest(),
        "dataset": place.row.title if place.named else None,
        "metrics": dict(metrics),
        "provenance": {
            "measured": f"no test-time augmentation, {len(pictures)} test pictures",
            "resize_backend": "PIL",
            "data_sha256": {"test": pictures.sha256()},
            "environment": environment(torch.device("cpu")),
        },
    }


def command(job: Job) -> str:
    """Return the command that trains such a net again; FOLDER, RUN, WEIGHTS and TEACHER stand for the reader's own."""
    recipe, key, size = job.recipe, job.data.key, job.data.preprocessing.size
    name, flags = _flags(recipe, started=job.init is not None)
    parts = ["diracnet", "train", "--recipe", name, *flags]
    if job.init is not None:
        parts += ["--init", job.init.origin or "WEIGHTS"]
    if job.teacher is not None and not recipe.teacher:
        parts += ["--teacher", "TEACHER"]  # a module that was given in Python
    folder = "FOLDER" if key is None else key if key == "digits" else f"{key}:FOLDER"
    default, channels = default_preprocessing(folder, stream=recipe.crop == "resized"), job.spec.in_channels
    if size != default.size:
        parts += ["--image-size", str(size)]
    if channels != (len(default.mean) if job.init is None else job.init.spec.in_channels):
        parts += ["--channels", str(channels)]
    if job.data.skipped:
        parts.append("--skip-damaged")
    parts += ["--seed", str(job.seed), "--data", folder, "--out", "RUN"]
    return shlex.join(parts)


def _flags(recipe: Recipe, started: bool) -> tuple[str, list[str]]:
    """Return the named recipe that is nearest, and the flags for the fields in which it differs."""
    found: dict[str, list[str]] = {}
    for name, named in RECIPES.items():
        base = named.for_trained_weights() if started else named
        differing = [each.name for each in fields(Recipe) if getattr(recipe, each.name) != getattr(base, each.name)]
        if "milestones" in differing and not recipe.milestones:
            continue  # no flag takes milestones away
        if started:
            differing = [each for each in differing if each != "model"]  # it is that of the weights to start from
        found[name] = [flag for each in differing for flag in _flag(each, getattr(recipe, each))]
    name = min(found, key=lambda each: len(found[each]))
    return name, found[name]


def _flag(name: str, value: Any) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    if isinstance(value, tuple):
        return [part for each in value for part in (flag, str(each))]
    return [flag, short_name(value) if name == "teacher" else str(value)]


def _started(init: Checkpoint) -> dict[str, str]:
    """Return which weights a run started from; their name only if others know it too."""
    named = {"name": init.origin} if init.origin else {}
    return {"weights": init.tag, "digest": init.digest(), **named}


def _base(init: Checkpoint) -> str:
    """Return the name of the weights that a run started from, or of those that they were made from."""
    return init.origin or init.facts.base or f"{init.spec.name} ({init.tag})"
