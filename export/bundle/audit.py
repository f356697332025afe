"""Whether a bundle can be trusted: its files are those listed, and each agrees with all the others.

The checksums find what was damaged. The cross-checks find what was altered in one file by somebody who wrote the
checksums anew: every file that follows from the folded net is made anew and compared byte by byte. Who alters all files
consistently is found by comparing the digest of SHA256SUMS with a published one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from export.bundle.contents import derived_files
from export.bundle.description import FEATURES, RECORD_KEYS, describe
from export.bundle.parity import verify
from export.bundle.reader import OpenBundle
from export.bundle.sums import faults, files_below
from export.cards.card import card
from export.folding.fold import fold
from export.int8.layers import misfits
from export.layout import CARD, CONFIG, FOLDED, QUANTIZATION, REPORT, SUMS, TRAINING_CONFIG, TRAINING_FORM
from export.proof.check import Check
from zoo import Checkpoint
from zoo.files import json_bytes, read_json, sha256

REFOLD = 1e-6
"""Limit on the difference of a weight from the training form folded anew, relative to the layer's largest."""


def audit(folder: str | Path, expect: str | None = None) -> Iterator[Check]:
    """Yield the checks of a bundle; those on damaged files end with the first that fails.

    Args:
        folder: the bundle.
        expect: the sha256 of its SHA256SUMS, from a source that you trust.

    Raises:
        FileNotFoundError: the folder is no bundle.
    """
    folder = Path(folder)
    found = faults(folder)
    yield Check(f"files that differ from {SUMS}", len(found), 0, "; ".join(found))
    if expect is not None:
        digest = sha256(folder / SUMS)
        yield Check("digests other than the expected one", int(digest != expect.lower()), 0, f"{SUMS} has {digest}")
    if found:
        return
    bundle, problems = OpenBundle(folder), []
    try:
        problems = list(_disagreements(bundle))
    except KeyError as error:
        problems = [f"{CONFIG} or {REPORT} lacks {error}"]
    except (ValueError, TypeError, OSError) as error:
        problems = [str(error)]
    yield Check("files that disagree with others", len(problems), 0, "; ".join(problems))
    if not problems:
        yield from verify(bundle)


def _disagreements(bundle: OpenBundle) -> Iterator[str]:
    """Yield a phrase for each file that is not what the folded net and the training form say that it must be."""
    folder, folded, config, source = bundle.folder, bundle.folded, bundle.config, bundle.source
    claims = {key: config[key] for key in RECORD_KEYS & config.keys()}
    description = {**describe(folded, None, config[FEATURES]), **claims}
    there = set(files_below(folder))
    expected = {CARD, REPORT, SUMS, FOLDED}
    for name, content in derived_files(folder, folded, description, bundle.forms):
        expected.add(name)
        if name not in there:
            yield f"{name} is missing"
        elif (folder / name).read_bytes() != content:
            yield f"{name} is not what follows from {FOLDED}" + (f" and {CONFIG}" if name != CONFIG else "")
    if source is not None:
        expected |= {TRAINING_FORM, TRAINING_CONFIG}
        content = json_bytes({**describe(source, None, config[FEATURES]), **claims})
        if (folder / TRAINING_CONFIG).read_bytes() != content:
            yield f"{TRAINING_CONFIG} does not describe {TRAINING_FORM} as {CONFIG} does"
        if {**source.describe(), "form": folded.form} != folded.describe():
            yield f"{TRAINING_FORM} and {FOLDED} describe different nets"
        else:
            yield from _differing_layers(source, folded)
    if "int8" in bundle.forms:
        expected.add(QUANTIZATION)
        yield from (f"{QUANTIZATION}: {phrase}" for phrase in misfits(bundle.quantization, bundle.net))
    yield from (f"{name} has no place in a bundle" for name in sorted(there - expected))
    report = read_json(folder / REPORT)
    if (report.get("name"), report.get("weights")) != (config["name"], config["weights"]):
        yield f"{REPORT} is that of another net"
    checks = [Check(**{key: check[key] for key in ("name", "figure", "limit", "note")}) for check in report["checks"]]
    if not all(check.passed for check in checks):
        yield f"{REPORT} has a failed check"
    if (folder / CARD).read_bytes() != card(config, checks, there).encode():
        yield f"{CARD} is not the card of {CONFIG}"


def _differing_layers(source: Checkpoint, folded: Checkpoint) -> Iterator[str]:
    for name, tensor in fold(source.model()).state_dict().items():
        largest = tensor.abs().max().item() or 1.0
        if not (folded.state[name] - tensor).abs().max().item() <= REFOLD * largest:
            yield f"{name} in {FOLDED} is not that of {TRAINING_FORM} folded"
