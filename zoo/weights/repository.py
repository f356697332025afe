"""Trained nets from any source: a repository of the Hub, a folder laid out like one, a file. Loaded strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.description import CONFIG as CONFIG_RULE
from zoo.description import labels_in
from zoo.files import read_json
from zoo.layout import CONFIG, FORMS, TRAINING_CONFIG, TRAINING_FORM, WEIGHTS, check_form
from zoo.nets.spec import Spec
from zoo.preprocessing import Preprocessing
from zoo.schema import reading
from zoo.weights.checkpoint import Checkpoint
from zoo.weights.hub import fetch, fetch_version
from zoo.weights.locate import load_weight
from zoo.weights.record import get_weight
from zoo.weights.reference import File, Folder, Hub, Tagged, parse_reference


def load_repository(source: str | Path, form: str, *, revision: str | None = None, **client: Any) -> Checkpoint:
    """Return the net in a repository of the Hub as a `Checkpoint`, which also knows labels and preprocessing.

    Args:
        source: see `zoo.from_pretrained`.
        form: "dirac" or "folded".
        revision: see `zoo.from_pretrained`.
        client: arguments of `huggingface_hub.hf_hub_download`, such as cache_dir and token.

    Example:
        >>> import tempfile, zoo
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = zoo.get_model("diracnet10_cifar").save_pretrained(folder)
        ...     zoo.load_repository(folder, "dirac").spec.name
        'diracnet10_cifar'
    """
    reference = parse_reference(source)
    if revision is not None and not isinstance(reference, Hub):
        raise ValueError(f"revision={revision!r} chooses a commit of a repository of the Hub, and {source} is not one")
    match reference:
        case Hub() | Folder():
            return open_repository(reference, form, revision=revision, **client)[0]
        case File(path):
            return load_file(path, form)
        case Tagged(name, tag):
            return load_weight(get_weight(name, tag), form)
    raise FileNotFoundError(
        f"{source} is no file or folder here, and no repository either: those are called ORG/NAME; a net of the "
        "registry has weights by the name of NAME:TAG"
    )


def load_file(path: Path, form: str | None = None) -> Checkpoint:
    """Return the checkpoint in a file; ValueError if its form is not the one asked for."""
    checkpoint = Checkpoint.load(path)
    if form not in (None, checkpoint.form):
        raise ValueError(f"{path} holds a net in {checkpoint.form} form, not in {form} form")
    return checkpoint


def open_repository(
    place: Folder | Hub, form: str | None = None, *, revision: str | None = None, **client: Any
) -> tuple[Checkpoint, Path]:
    """Return the checkpoint and the file that it came from; without a form, the one at the root."""
    check_form(form)
    if isinstance(place, Folder):
        folder = place.path
        if not (folder / CONFIG).is_file():
            raise ValueError(f"{folder} is a folder without {CONFIG}, so no bundle; name a checkpoint file in it")
        return _load(str(folder), form, lambda name: folder / name)
    if place.revision is not None and revision not in (None, place.revision):
        raise ValueError(
            f"{place.repository}@{place.revision} names the revision {place.revision}, and revision={revision!r} "
            "another one"
        )
    repository = place.repository
    config, commit = fetch_version(repository, CONFIG, revision=revision or place.revision, **client)
    # The others are taken from the same commit, even if the branch moves meanwhile.
    checkpoint, path = _load(
        repository,
        form,
        lambda name: config if name == CONFIG else fetch(repository, name, revision=commit, **client),
    )
    named = revision or place.revision
    return replace(checkpoint, origin=f"{repository}@{named}" if named else repository), path


def _load(source: str, form: str | None, get: Callable[[str], Path]) -> tuple[Checkpoint, Path]:
    config_name, weights_name = CONFIG, WEIGHTS
    config = read_json(get(config_name))
    match config.get("form"):
        case "folded" if form == "dirac":
            config_name, weights_name = TRAINING_CONFIG, TRAINING_FORM
            config = read_json(get(config_name))
        case "dirac" if form == "folded":
            raise ValueError(
                f"{source} holds a training form only; load it with folded=False and fold it with export.fold"
            )
        case found if found not in FORMS:
            raise ValueError(f"{source} holds no DiracNet: the form in its {CONFIG} is {found!r}, not one of {FORMS}")
    with reading(f"{source}/{config_name}"):
        CONFIG_RULE.check(config)
        spec, labels, preprocessing = parse_config(config)
    path = get(weights_name)
    checkpoint = Checkpoint.load(path)
    if (config["form"], spec) != (checkpoint.form, checkpoint.spec) or form not in (None, checkpoint.form):
        raise ValueError(f"{source} is damaged: {config_name} and {weights_name} describe different nets")
    labels, preprocessing = checkpoint.labels or labels, checkpoint.preprocessing or preprocessing
    return replace(checkpoint, labels=labels, preprocessing=preprocessing), path


def parse_config(config: Mapping[str, Any]) -> tuple[Spec, tuple[str, ...], Preprocessing | None]:
    """Return the structure, the labels and the preprocessing that a config.json describes, if they fit each other.

    Args:
        config: what keeps the rules of `zoo.description.CONFIG`.

    Raises:
        ValueError: there is no such structure, or something does not fit it.

    Example:
        >>> parse_config({"form": "dirac", "spec": {"depth": 18}})[1:]
        ((), None)
    """
    spec = Spec.from_dict(config["spec"])
    labels = labels_in(config, spec.num_classes)
    known = config.get("preprocessing")
    preprocessing = None if known is None else Preprocessing.from_dict(known)
    spec.check_fit(labels, preprocessing)
    return spec, labels, preprocessing
