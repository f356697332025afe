"""Where the record of a net's quantization comes from: the registry, pictures of the user's, or nothing but a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import nn

from export.folding.fold import fold
from export.int8.calibration import PLAIN, calibrate
from export.int8.layers import misfits
from export.int8.record import Quantization
from export.int8.samples import COUNT, draw_pictures
from export.layout import QUANTIZATION
from pixels.mosaics import mosaics
from zoo import Checkpoint, Weight, build_from
from zoo.files import sha256, write_json
from zoo.weights.checkpoint import UNTRAINED
from zoo.weights.locate import weight_file
from zoo.weights.record import MANIFEST, WeightFile

INT8 = "int8"
"""What the registry calls the record among a net's files."""
NOISE_CELLS = (1, 4)
"""Untrained nets are calibrated on mosaics with squares of these sizes, in pixels; the golden pictures have others."""


def quantize_on(
    source: Checkpoint, data: str, *, count: int = COUNT, on_layer: Callable[[str], None] = lambda name: None
) -> Quantization:
    """Return the record of a net's quantization, calibrated on pictures.

    Args:
        source: the net, in training form or folded.
        data: a data set, of which the training half is used, or a folder of pictures; see `draw_pictures`.
        count: how many pictures to draw.
        on_layer: told the name of each layer when it begins.

    Raises:
        ValueError: the net does not say how pictures become its input, or there are no pictures.
    """
    preprocessing = source.known_preprocessing()
    pictures, origin = draw_pictures(data, preprocessing, count)
    return calibrate(_folded(source), pictures, preprocessing, origin=origin, on_layer=on_layer)


def quantize_on_noise(source: Checkpoint) -> Quantization:
    """Return the record of an untrained net, whose answers mean nothing but whose speed may be measured.

    It has the same bytes on every machine.
    """
    preprocessing = source.known_preprocessing()
    noise = torch.from_numpy(mosaics(preprocessing.size, len(preprocessing.mean), NOISE_CELLS))
    origin = {"source": "noise, because the net is untrained"}
    return calibrate(_folded(source), noise, preprocessing, method=PLAIN, origin=origin, dtype=torch.float64)


def known_quantization(source: Checkpoint, record: Weight | None, given: Quantization | None = None) -> Quantization:
    """Return the record of a net's quantization without pictures of its own.

    That is the one given, or else the registry's; that of an untrained net is made on noise.

    Raises:
        ValueError: there is none, or it is that of another net.
        FileNotFoundError: the registry's is not on this machine.
    """
    if given is not None:
        found = given
    elif record is not None and INT8 in record.files:
        found = Quantization.load(weight_file(record, INT8))
    elif source.weights == UNTRAINED:
        return quantize_on_noise(source)
    else:
        raise ValueError(
            "an int8 form needs pictures that the net was trained on, to measure what its layers compute: give a data "
            "set or a folder of pictures with --calibration, or leave int8 out of the formats"
        )
    for phrase in misfits(found, _folded(source)):
        raise ValueError(f"the quantization is not that of this net: {phrase}; calibrate it anew with --calibration")
    return found


def ship_quantization(weight: Weight, quantization: Quantization) -> Path:
    """Write a record beside the weights in `checkpoints/` and list it in their manifest.

    Raises:
        ValueError: the weights do not lie in a folder.
    """
    if weight.folder is None:
        raise ValueError(f"{weight.model}:{weight.tag} does not lie in checkpoints/; name a file with --out")
    path = weight.folder / QUANTIZATION
    quantization.save(path)
    listed = WeightFile(QUANTIZATION, sha256(path), path.stat().st_size)
    write_json(weight.folder / MANIFEST, replace(weight, files={**weight.files, INT8: listed}).to_manifest())
    return path


def _folded(source: Checkpoint) -> nn.Sequential:
    with torch.inference_mode(False):
        model = build_from(source)
        return cast(nn.Sequential, fold(model) if source.form == "dirac" else model)
