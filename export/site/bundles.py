"""The bundles that the site serves: exported once, kept while they are those of the registry's weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from export.bundle.contents import BUNDLE_FORMAT, BUNDLE_FORMAT_KEY
from export.bundle.sums import faults
from export.bundle.writer import export_bundle
from export.layout import CONFIG, FOLDED, GRAPHS
from zoo import Weight, load_weight
from zoo.files import read_json, sha256

FORMATS = ("fp32", "fp16", "int8")
"""What a browser can run."""


def site_bundle(record: Weight, folder: Path, on_stage: Callable[[str], None] = lambda stage: None) -> Path:
    """Return the folder `MODEL-TAG` with the bundle of a set of weights; export it unless it is there already.

    One that is there is used again if its files are those of its SHA256SUMS, its weights those of the manifest and its
    format this version's. Whoever changes the export removes the folder.

    Args:
        record: the weights.
        folder: where bundles are kept.
        on_stage: called with a description of each step.

    Raises:
        ValueError: there is another folder of this name.
        VerificationError: a check of the export failed.
    """
    out = folder / f"{record.model}-{record.tag}"
    if not out.exists():
        on_stage(f"exporting {record.model}:{record.tag}")
        export_bundle(load_weight(record, "dirac"), out, record=record, formats=FORMATS)
        return out
    if wrong := faults(out):
        raise ValueError(f"{out} is damaged: {wrong[0]}; remove it")
    stale = (
        read_json(out / CONFIG).get(BUNDLE_FORMAT_KEY) != BUNDLE_FORMAT
        or sha256(out / FOLDED) != record.files["folded"].sha256
        or not all((out / GRAPHS[name].path).is_file() for name in FORMATS)
    )
    if stale:
        raise ValueError(f"{out} is not the bundle of {record.model}:{record.tag} in this version; remove it")
    return out
