"""TensorFlow Lite Metadata: what Android's and MediaPipe's image classifiers read of a model.

A flatbuffer of its own inside the model says how pictures are normalized and which file names the classes; that file
is in a ZIP archive behind the model's last byte, where readers of ZIP files find it and interpreters do not look.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from export.layout import LABELS, METADATA_KEY, OUTPUT, PICTURES
from export.litert.flatbuffer import Scalar, Table, to_bytes
from export.litert.graph import Graph
from zoo import Preprocessing

NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_COLOUR_SPACES = {1: 2, 3: 1}  # by channels: grey, RGB
_IMAGE, _FEATURE, _NORMALIZATION, _AXIS_LABELS = 2, 1, 1, 2


def described(
    graph: Graph, description: Mapping[str, Any], preprocessing: Preprocessing, labels: Sequence[str]
) -> bytes:
    """Return the file of a model with its metadata.

    Args:
        graph: the model.
        description: what the bundle says of the net, which is also stored as JSON, as in the ONNX graphs.
        preprocessing: how pictures become its input.
        labels: the names of the classes, or none.

    Raises:
        ValueError: the file would be too large.
    """
    told = json.dumps(description, sort_keys=True).encode()
    model = graph.to_bytes(((NAME, _metadata(description, preprocessing, labels)), (METADATA_KEY, told)))
    return _packed(model, labels) if labels else model


def _metadata(description: Mapping[str, Any], preprocessing: Preprocessing, labels: Sequence[str]) -> bytes:
    size = {place: Scalar("Uint32", preprocessing.size) for place in (0, 1)}
    space = Scalar("Int8", _COLOUR_SPACES.get(len(preprocessing.mean), 0))
    numbers = {level: np.array([level], np.float32) for level in (0, 1, 255)}
    taken: Table = {
        0: PICTURES,
        1: f"A picture of {preprocessing.size}×{preprocessing.size} pixels, from 0 to 1.",
        3: {0: Scalar("Uint8", _IMAGE), 1: {0: space, 1: size}},
        4: [{0: Scalar("Uint8", _NORMALIZATION), 1: {0: numbers[0], 1: numbers[255]}}],
        5: {0: numbers[1], 1: numbers[0]},
    }
    file = {0: LABELS, 1: "The names of the classes.", 2: Scalar("Int8", _AXIS_LABELS)}
    given: Table = {
        0: OUTPUT,
        1: "A number for each class; their softmax are probabilities.",
        3: {0: Scalar("Uint8", _FEATURE), 1: {}},
        6: [file] if labels else None,
    }
    model: Table = {
        0: description["name"],
        1: "A DiracNet, folded into a chain of convolutions.",
        2: description["weights"],
        3: [{2: [taken], 3: [given]}],
        5: description.get("licence"),
        7: "1.0.0",
    }
    return to_bytes(model, _IDENTIFIER)


def _packed(model: bytes, labels: Sequence[str]) -> bytes:
    """Return a model with a ZIP archive behind it."""
    file = io.BytesIO(model)
    # A fixed date and system, so that the bytes depend on neither.
    entry = zipfile.ZipInfo(LABELS, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(entry, "".join(f"{label}\n" for label in labels))
    return file.getvalue()
