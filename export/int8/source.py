"""Sources of a net's quantization record: the registry, the user's own pictures, or noise for untrained nets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from export.folding.folded import FoldedNet
from export.int8.calibration import PLAIN, calibrate
from export.int8.places import INT8, find_quantization
from export.int8.record import Quantization
from export.int8.samples import COUNT, draw_pictures
from export.int8.validation import mismatches
from export.layout import QUANTIZATION
from pixels.mosaics import mosaics
from zoo import Checkpoint, Weight
from zoo.files import sha256, write_json
from zoo.weights.checkpoint import UNTRAINED
from zoo.weights.locate import weight_file
from zoo.weights.record import MANIFEST, WeightFile, clone

NOISE_CELLS = (1, 4)
"""Untrained nets are calibrated on mosaics with squares of these sizes, in pixels; the golden pictures have others."""


def quantize_on(
    source: Checkpoint,
    data: str,
    *,
    count: int = COUNT,
    skip_damaged: bool = False,
    on_layer: Callable[[str], None] = lambda name: None,
) -> Quantization:
    """Return the record of a net's quantization, calibrated on pictures.

    Args:
        source: the net, in training form or folded.
        data: a data set, of which the training half is used, or a folder of pictures; see `draw_pictures`.
        count: how many pictures to draw.
        skip_damaged: draw others in place of pictures that cannot be read.
        on_layer: called with the name of each layer before it is quantized.

    Raises:
        ValueError: the net does not say how pictures become its input, or there are no pictures.

    Example:
        >>> record = quantize_on(Checkpoint.load("model.safetensors"), "data/train")  # doctest: +SKIP
        >>> record.save("quantization.safetensors")
    """
    preprocessing = source.known_preprocessing()
    pictures, origin = draw_pictures(data, preprocessing, count, skip_damaged=skip_damaged)
    return calibrate(FoldedNet.of(source).net, pictures, preprocessing, origin=origin, on_layer=on_layer)


def quantize_on_noise(source: Checkpoint) -> Quantization:
    """Return the record of an untrained net: its answers mean nothing, but its speed can be measured.

    Calibrated on mosaics, without any of the options, in float64: the record has the same bytes on every machine.

    Raises:
        ValueError: the net does not say how pictures become its input.
    """
    preprocessing = source.known_preprocessing()
    noise = torch.from_numpy(mosaics(preprocessing.size, len(preprocessing.mean), NOISE_CELLS))
    origin = {"source": "noise, because the net is untrained"}
    return calibrate(FoldedNet.of(source).net, noise, preprocessing, method=PLAIN, origin=origin, dtype=torch.float64)


def known_quantization(
    folded: FoldedNet, record: Weight | None, given: Quantization | None = None, mirror: Path | None = None
) -> Quantization:
    """Return the record of a net's quantization, where the user gives no pictures to calibrate on.

    Args:
        folded: the net.
        record: the registry's entry for its weights, if they have one.
        given: a record that takes precedence over the registry's.
        mirror: a folder to take the registry's from; see `zoo.load_weight`.

    Returns:
        The given record, or the registry's, or for an untrained net one that is calibrated on noise.

    Raises:
        ValueError: there is none, or it is that of another net.
        FileNotFoundError: the registry's is not on this machine.
    """
    if given is not None:
        found = given
    elif record is not None and INT8 in record.files:
        found = Quantization.load(weight_file(record, INT8, mirror))
    elif folded.checkpoint.tag == UNTRAINED:
        return quantize_on_noise(folded.checkpoint)
    else:
        raise ValueError(
            "an int8 form needs pictures that the net was trained on, to measure what its layers compute: give a data "
            "set or a folder of pictures with --calibration, or leave int8 out of the formats"
        )
    for phrase in mismatches(found, folded.net):
        raise ValueError(f"the quantization is not that of this net: {phrase}; calibrate again with --calibration")
    return found


def quantization_beside(model: str, source: Checkpoint, record: Weight | None) -> Quantization | None:
    """Return the record that lies with a net of the user's own, which `known_quantization` cannot know of.

    Args:
        model: the net, as the user named it.
        source: the net.
        record: the registry's entry for its weights, if they have one.

    Returns:
        None if nothing lies with the net, and for nets that are shipped with a record or untrained.

    Raises:
        ValueError: the file is damaged.
    """
    if source.tag == UNTRAINED or (record is not None and INT8 in record.files):
        return None
    found = find_quantization(model, record)
    return None if found is None else Quantization.load(found)


def shipped_folder(weight: Weight) -> Path:
    """Return the folder of shipped weights; ValueError if they are not in `checkpoints/` of a clone."""
    if weight.folder is None or clone() is None:
        raise ValueError(f"{weight.model}:{weight.tag} is not in checkpoints/ of a clone; name a file with --out")
    return weight.folder


def ship_quantization(weight: Weight, quantization: Quantization) -> Path:
    """Write a record next to the weights in `checkpoints/` and list it in their manifest.

    Returns:
        The path of the record.

    Raises:
        ValueError: the weights are not in `checkpoints/` of a clone.
    """
    folder = shipped_folder(weight)
    path = folder / QUANTIZATION
    quantization.save(path)
    listed = WeightFile(QUANTIZATION, sha256(path), path.stat().st_size)
    write_json(folder / MANIFEST, replace(weight, files={**weight.files, INT8: listed}).to_manifest())
    return path
