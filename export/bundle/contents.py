"""The files of a bundle that follow from its folded net: the export writes them, the audit makes them anew."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from export.bundle.description import FEATURES, describe_preprocessing
from export.bundle.forms import graphs
from export.bundle.golden import golden, to_bytes
from export.bundle.labels import labels_text
from export.int8.record import Quantization
from export.layout import CONFIG, FOLDED, GOLDEN, LABELS, PREPROCESSOR, QUANTIZATION
from zoo import Checkpoint
from zoo.files import json_bytes, sha256


def derived_files(
    folder: Path, folded: Checkpoint, description: Mapping[str, Any], forms: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of each file that the folded net and its description determine to the last bit.

    Args:
        folder: the bundle, whose folded file is there already, and the record of its quantization if it has one.
        folded: the net in it.
        description: of the net, what config.json is to say.
        forms: the names of the forms that its graph is written in.
    """
    yield CONFIG, json_bytes(description)
    yield PREPROCESSOR, json_bytes(describe_preprocessing(folded.known_preprocessing()))
    if folded.labels:
        yield LABELS, labels_text(folded.labels).encode()
    record = folder / QUANTIZATION
    quantization = Quantization.load(record) if record.is_file() else None
    for path, graph in graphs(folded, sha256(folder / FOLDED), description, forms, quantization):
        yield path, graph.SerializeToString(deterministic=True)
    yield GOLDEN, to_bytes(golden(folded, description[FEATURES]))
