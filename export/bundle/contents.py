"""The files of a bundle that follow from its folded net: the export writes them, the audit makes them again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from export.bundle.description import describe_preprocessing
from export.bundle.golden import golden, to_bytes
from export.bundle.labels import labels_text
from export.cards.card import card
from export.cards.usage import REPOSITORY
from export.folding.folded import FoldedNet
from export.formats.format import Source
from export.formats.table import FORMATS
from export.int8.record import Quantization
from export.layout import CONFIG, FEATURES, FOLDED, GOLDEN, LABELS, PREPROCESSOR, QUANTIZATION, TRAINING_FORM
from export.proof.check import Check
from zoo.files import json_bytes, sha256
from zoo.weights.timm_config import timm_config

BUNDLE_FORMAT = 1
"""The number of the rule by which the derived files and the card are made.

Each bundle has its number in config.json. The audit compares files byte by byte only in bundles of this number. Raise
it when the bytes of a derived file or a word of the card change after a release.
"""
BUNDLE_FORMAT_KEY = "bundle_format"


def derived_files(
    folder: Path, folded: FoldedNet, description: Mapping[str, Any], formats: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of each file that the folded net and its description determine to the last bit.

    Args:
        folder: the bundle, whose folded file is there already, and the record of its quantization if it has one.
        folded: the net in it.
        description: of the net; config.json says the same and the number of the bundle's format.
        formats: names of the formats that the net is written in.
    """
    checkpoint = folded.checkpoint
    training = TRAINING_FORM if (folder / TRAINING_FORM).is_file() else None
    for_timm = timm_config(checkpoint.spec, checkpoint.preprocessing, checkpoint.labels, training) if training else {}
    yield CONFIG, json_bytes({**description, **for_timm, BUNDLE_FORMAT_KEY: BUNDLE_FORMAT})
    yield PREPROCESSOR, json_bytes(describe_preprocessing(checkpoint.known_preprocessing()))
    if checkpoint.labels:
        yield LABELS, labels_text(checkpoint.labels).encode()
    record = folder / QUANTIZATION
    quantization = Quantization.load(record) if record.is_file() else None
    source = Source(folded, sha256(folder / FOLDED), description, quantization)
    for name in formats:
        yield from FORMATS[name].derive(source)
    yield GOLDEN, to_bytes(golden(folded, description[FEATURES]))


def bundle_card(
    description: Mapping[str, Any], checks: Sequence[Check], files: Collection[str], formats: Collection[str]
) -> str:
    """Return the card of a bundle with these files, in these formats."""
    repository = description.get("repository", REPOSITORY)
    notes = [FORMATS[name].note(description, repository) for name in formats]
    return card(description, checks, files, notes)
