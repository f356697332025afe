"""Opens the checkpoint that MODEL on the command line means; `zoo.weights.reference` parses the text."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch

from zoo.files import sha256
from zoo.layout import check_form
from zoo.models import DiracNet
from zoo.nets.registry import get_spec
from zoo.weights.checkpoint import UNTRAINED, Checkpoint
from zoo.weights.locate import load_weight
from zoo.weights.record import Weight, all_weights, get_weight
from zoo.weights.reference import File, Named, Tagged, parse_reference
from zoo.weights.repository import load_file, open_repository

SEED = 0
"""Seed of the weights of a net that is named without a tag."""


def known_temperature(checkpoint: Checkpoint, record: Weight | None) -> float:
    """Return what a net's logits are divided by before they become probabilities, for what `open_model` returned.

    Example:
        >>> known_temperature(*open_model("diracnet10_cifar"))
        1.0
    """
    return checkpoint.facts.temperature if record is None else record.temperature


def open_model(reference: str, form: str | None = None, mirror: Path | None = None) -> tuple[Checkpoint, Weight | None]:
    """Return the checkpoint that a reference means, and its record if it is one of the registry's.

    Args:
        reference: `NAME:TAG`; `NAME`, for weights initialised with a fixed seed and marked untrained; the path of a
            checkpoint file; the folder of a bundle or of a training run; `ORG/NAME` or `ORG/NAME@REVISION`, for a
            repository of the Hub. See `zoo.weights.reference.parse_reference`.
        form: "dirac" or "folded"; by default the training form, or the folded one if there is no other; for bundles and
            repositories, the one at their root.
        mirror: a folder to take the weights of `NAME:tag` from; see `zoo.load_weight`.

    Raises:
        ValueError: no such net or tag, a damaged file, or a file in another form.
        FileNotFoundError, RuntimeError: the weights are not here and cannot be fetched.

    Example:
        >>> checkpoint, record = open_model("diracnet16_cifar:cifar10")
    """
    check_form(form)
    match parse_reference(reference):
        case Named(name):
            return _untrained(name, form), None
        case Tagged(name, tag):
            record = get_weight(name, tag)
            return load_weight(record, form or ("dirac" if "dirac" in record.files else "folded"), mirror), record
        case File(path):
            return _recorded(load_file(path, form), path)
        case place:
            return _recorded(*open_repository(place, form))


def _untrained(name: str, form: str | None) -> Checkpoint:
    """Return a net of the registry with weights initialised from a fixed seed."""
    spec = get_spec(name)
    if form == "folded":
        raise ValueError(f"{name} without a tag is untrained and has no folded weights; name weights: {name}:TAG")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        net = DiracNet(spec)
        torch.manual_seed(SEED)
        for parameter in (*(each for each in net.parameters() if each.ndim > 1), net.fc.bias):
            # As kaiming_uniform_ draws, but with the same bits on every processor: draws between 0 and 1 are exact,
            # doubling them and taking 1 away is too, and a single product is rounded alike everywhere.
            bound = math.sqrt(6 / parameter[0].numel()) if parameter.ndim > 1 else net.fc.in_features**-0.5
            parameter.copy_((2 * torch.rand_like(parameter) - 1) * bound)
    return Checkpoint(
        form="dirac",
        spec=spec,
        tag=UNTRAINED,
        preprocessing=spec.stem.preprocessing,
        state=net.state_dict(),
    )


def _recorded(checkpoint: Checkpoint, path: Path) -> tuple[Checkpoint, Weight | None]:
    """Return a checkpoint with the record that has the sha256 of its file, if there is one."""
    digest = sha256(path)
    for weight in all_weights().values():
        if digest in weight.digests.values():
            named = weight.repository or f"{weight.model}:{weight.tag}"
            return replace(checkpoint, origin=checkpoint.origin or named), weight
    return checkpoint, None
