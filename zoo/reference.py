"""What the command line calls MODEL: `NAME:tag`, `NAME`, a checkpoint file, `ORG/NAME` on the Hub, or a bundle."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from zoo.files import sha256
from zoo.models import DiracNet
from zoo.nets.registry import MODELS, get_spec
from zoo.weights.checkpoint import FORMS, UNTRAINED, Checkpoint
from zoo.weights.hub import parse_reference
from zoo.weights.locate import load_weight
from zoo.weights.record import Weight, get_weight, weights
from zoo.weights.repository import CONFIG, open_repository

SEED = 0
"""Of the weights of a net that is named without a tag."""


def open_model(reference: str, form: str | None = None, mirror: Path | None = None) -> tuple[Checkpoint, Weight | None]:
    """Return the checkpoint that a reference means, and its record if it is one of the registry's.

    Args:
        reference: `NAME:tag`; `NAME`, for weights initialised with a fixed seed and marked untrained; the path of a
            checkpoint file; the folder of a bundle; `ORG/NAME` or `ORG/NAME@REVISION`, for a repository of the Hub.
        form: "dirac" or "folded"; by default the training form, or the folded one where there is no other; of bundles
            and repositories the one at their root.
        mirror: a folder to take the weights of `NAME:tag` from; see `zoo.load_weight`.

    Raises:
        ValueError: no such net or tag, a damaged file, or a file in another form.
        FileNotFoundError, RuntimeError: the weights are not here and cannot be fetched.
    """
    if form not in (None, *FORMS):
        raise ValueError(f"form={form!r}: allowed are {', '.join(FORMS)}")
    path = Path(reference)
    if path.suffix == ".safetensors" or path.is_file():
        checkpoint = Checkpoint.load(path)
        if form not in (None, checkpoint.form):
            raise ValueError(f"{path} holds a net in {checkpoint.form} form, not in {form} form")
        return _recorded(checkpoint, path)
    name, colon, tag = reference.partition(":")
    if colon:
        record = get_weight(name, tag)
        return load_weight(record, form or ("dirac" if "dirac" in record.files else "folded"), mirror), record
    if path.is_dir() and name not in MODELS:
        if not (path / CONFIG).is_file():
            raise ValueError(f"{path} is a folder without {CONFIG}, so no bundle; name a checkpoint file in it")
        return _recorded(*open_repository(path, form))
    if parse_reference(reference):
        return _recorded(*open_repository(reference, form))
    if len(path.parts) > 1:
        raise FileNotFoundError(f"no checkpoint file {path}")
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
    preprocessing = spec.stem.preprocessing
    return Checkpoint(
        form="dirac", spec=spec, weights=UNTRAINED, preprocessing=preprocessing, state=net.state_dict()
    ), None


def _recorded(checkpoint: Checkpoint, path: Path) -> tuple[Checkpoint, Weight | None]:
    """Return a checkpoint with the record that has the sha256 of its file, if there is one."""
    digest = sha256(path)
    return checkpoint, next((weight for weight in weights().values() if digest in weight.sha256.values()), None)
