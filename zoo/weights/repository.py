"""Nets from any repository of the Hub, or from a folder laid out like one, loaded strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.files import read_json
from zoo.nets.spec import Spec
from zoo.preprocessing import Preprocessing
from zoo.weights.checkpoint import FORMS, Checkpoint
from zoo.weights.hub import fetch, parse_reference

CONFIG, WEIGHTS = "config.json", "model.safetensors"
"""Names at the root of a repository; the training form beside a folded net has the same below `dirac/`."""


def load_repository(source: str | Path, form: str, *, revision: str | None = None, **client: Any) -> Checkpoint:
    """Return the net in a repository of the Hub as a `Checkpoint`, which also knows labels and preprocessing.

    Args:
        source: see `zoo.from_pretrained`.
        form: "dirac" or "folded".
        revision: see `zoo.from_pretrained`.
        client: arguments of `huggingface_hub.hf_hub_download`, such as cache_dir and token.
    """
    return open_repository(source, form, revision=revision, **client)[0]


def open_repository(
    source: str | Path, form: str | None = None, *, revision: str | None = None, **client: Any
) -> tuple[Checkpoint, Path]:
    """Return the checkpoint and the file that it is from; without a form the one at the root."""
    if form not in (None, *FORMS):
        raise ValueError(f"form={form!r}: allowed are {', '.join(FORMS)}")
    if Path(source).is_dir():
        folder = Path(source)
        return _load(str(source), form, lambda name: folder / name)
    reference = parse_reference(str(source))
    if reference is None:
        raise FileNotFoundError(f"{source} is no folder, and no repository either: those are called ORG/NAME")
    repository, named = reference
    if named is not None and revision not in (None, named):
        raise ValueError(f"{source} names the revision {named}, revision={revision!r} another one")
    config = fetch(repository, CONFIG, revision=revision or named, **client)
    # The cache keeps a file below its commit. The others are taken from the same, even if the branch moves meanwhile.
    commit = config.parent.name
    return _load(str(source), form, lambda name: fetch(repository, name, revision=commit, **client))


def _load(source: str, form: str | None, get: Callable[[str], Path]) -> tuple[Checkpoint, Path]:
    config = read_json(get(CONFIG))
    prefix = ""
    match config.get("form"):
        case "folded" if form == "dirac":
            prefix = "dirac/"
            config = read_json(get(prefix + CONFIG))
        case "dirac" if form == "folded":
            raise ValueError(
                f"{source} holds a training form only; load it with folded=False and fold it with export.fold"
            )
        case found if found not in FORMS:
            raise ValueError(f"{source} holds no DiracNet: the form in its {CONFIG} is {found!r}, not one of {FORMS}")
    path = get(prefix + WEIGHTS)
    checkpoint = Checkpoint.load(path)
    try:
        agrees = (config["form"], Spec.from_dict(config["spec"])) == (checkpoint.form, checkpoint.spec)
        if not agrees or form not in (None, checkpoint.form):
            raise ValueError(f"{prefix}{CONFIG} and {prefix}{WEIGHTS} describe different nets")
        labels = checkpoint.labels or _labels(config)
        preprocessing = checkpoint.preprocessing or _preprocessing(config)
        return replace(checkpoint, labels=labels, preprocessing=preprocessing), path
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{source} is damaged: {error}") from error


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    labels = config.get("id2label") or {}
    return tuple(labels[str(index)] for index in range(len(labels)))


def _preprocessing(config: Mapping[str, Any]) -> Preprocessing | None:
    value = config.get("preprocessing")
    return Preprocessing.from_dict(value) if value else None
