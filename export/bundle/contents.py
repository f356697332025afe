"""The files of a bundle that are derived from its folded net: the export writes them, the audit regenerates them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from export.bundle.description import describe_preprocessing
from export.bundle.golden import golden, to_bytes
from export.bundle.labels import labels_text
from export.cards.card import card
from export.folding.folded import FoldedNet
from export.formats.format import Source
from export.formats.table import FORMATS
from export.int8.record import Quantization
from export.layout import CONFIG, FEATURES, FOLDED, GOLDEN, LABELS, PREPROCESSOR, QUANTIZATION, TRAINING_FORM
from export.proof.check import Check
from zoo.cards.names import ANYWHERE
from zoo.files import json_bytes, sha256
from zoo.weights.timm_config import timm_config

BUNDLE_FORMAT = 1
"""The version of the rules by which the derived files and the card are generated.

Each bundle states its version in config.json. The audit compares files byte by byte only in bundles of this version.
After a release, raise the number whenever the bytes of a derived file or a word of the card change.
"""
BUNDLE_FORMAT_KEY = "bundle_format"


def derived_files(
    folder: Path, folded: FoldedNet, description: Mapping[str, Any], formats: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and contents of each file that the folded net and its description determine to the last bit.

    Args:
        folder: the bundle, which must already hold the folded file and, if there is one, the quantization record.
        folded: the net in the folded file.
        description: the description of the net; config.json also holds what timm needs and the bundle's format number.
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
    """Return the card of a bundle that has these files and formats."""
    repository = description.get("repository", ANYWHERE)
    notes = [FORMATS[name].note(description, repository) for name in formats]
    return card(description, checks, files, notes)
