"""The audit of a bundle: its files must be the ones listed, and each must agree with all the others.

The checksums reveal damaged files. The cross-checks reveal a file altered by someone who also rewrote the checksums:
every file that is derived from the folded net is regenerated and compared byte by byte, provided that the bundle has
this version's format number. Any other bundle is checked by its hashes, figures and outputs only. An attacker who
rewrites every file consistently is caught only by comparing SHA256SUMS with a digest published elsewhere (`--expect`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from export.bundle.contents import BUNDLE_FORMAT, BUNDLE_FORMAT_KEY, bundle_card, derived_files
from export.bundle.description import RECORD_KEYS, describe
from export.bundle.parity import compare
from export.bundle.provenance import contradictions
from export.bundle.reader import OpenBundle
from export.bundle.sums import faults, files_below
from export.folding.folded import FoldedNet
from export.formats.table import FORMATS
from export.int8.validation import mismatches
from export.layout import (
    CARD,
    CONFIG,
    FEATURES,
    FOLDED,
    GRAPH,
    LABELS,
    QUANTIZATION,
    REPORT,
    SIGNATURE,
    SUMS,
    TRAINING_CONFIG,
    TRAINING_FORM,
)
from export.proof.check import Check, require
from export.runtime.classifier import Classifier
from zoo import Checkpoint
from zoo.files import json_bytes, sha256

REFOLD = 1e-6
"""Limit on the difference between a folded weight and the training form refolded, relative to its tensor's largest."""


def verify(
    folder: str | Path, expect: str | None = None, *, on_check: Callable[[Check], None] = lambda check: None
) -> list[Check]:
    """Verify a bundle: check its files against their hashes, against each other, and by what they compute.

    Args:
        folder: the bundle.
        expect: the expected sha256 of its SHA256SUMS, from a source that you trust.
        on_check: called with each check as soon as it has been made.

    Returns:
        The checks, all passed.

    Raises:
        FileNotFoundError: the folder is not a bundle.
        VerificationError: a check failed; the message names it.

    Example:
        >>> import export
        >>> export.verify("no/such/folder")
        Traceback (most recent call last):
        ...
        FileNotFoundError: no/such/folder is not a bundle: it has no SHA256SUMS
    """
    checks = []
    for check in audit(folder, expect):
        on_check(check)
        checks.append(check)
    require(checks)
    return checks


def audit(folder: str | Path, expect: str | None = None) -> Iterator[Check]:
    """Yield the checks of a bundle; once files turn out to be damaged or inconsistent, the later checks are skipped.

    Args:
        folder: the bundle.
        expect: the expected sha256 of its SHA256SUMS, from a source that you trust.

    Raises:
        FileNotFoundError: the folder is not a bundle.
    """
    folder = Path(folder)
    found = faults(folder)
    yield Check(f"files that differ from {SUMS}", len(found), 0, "; ".join(found))
    if expect is not None:
        digest = sha256(folder / SUMS)
        other = digest != expect.lower()
        yield Check("digests other than the expected one", int(other), 0, f"{SUMS} has {digest}" if other else "")
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
    if problems:
        return
    number = bundle.config.get(BUNDLE_FORMAT_KEY, 0)
    if number != BUNDLE_FORMAT:
        note = f"the bundle has format {number}, this version writes {BUNDLE_FORMAT}: its texts were not compared"
        yield Check(f"bundle format {number}: checked by hashes, figures and outputs alone", 0, 0, note)
    yield from compare(bundle)


def _disagreements(bundle: OpenBundle) -> Iterator[str]:
    """Yield a phrase for each file that contradicts the folded net or the training form."""
    folded, config, source = bundle.folded.checkpoint, bundle.config, bundle.source
    own = describe(folded, None, config[FEATURES])
    claims = {key: config[key] for key in RECORD_KEYS & config.keys() - own.keys()}  # the registry's, or nobody's
    description = {**own, **claims}
    report = bundle.report
    checks = [
        Check(check["name"], check["figure"], check["limit"], check["note"], check.get("inputs", ""))
        for check in report["checks"]
    ]
    number = config.get(BUNDLE_FORMAT_KEY, 0)
    if type(number) is not int or not 0 <= number <= BUNDLE_FORMAT:
        yield f"{CONFIG} has {BUNDLE_FORMAT_KEY} {number!r}, and this version knows 0 to {BUNDLE_FORMAT}; update it"
    elif number == BUNDLE_FORMAT:
        yield from _texts(bundle, description, claims, checks)
        yield from (f"{REPORT}: {phrase}" for phrase in contradictions(report, bundle))
    else:
        facts = ("spec", "weights", "preprocessing", "num_classes", "id2label")
        yield from (
            f"{CONFIG} and {FOLDED} contradict each other on {fact}"
            for fact in facts
            if config[fact] != description[fact]
        )
        yield from _differing_graphs(bundle)
    if source is not None:
        if {**source.describe(), "form": folded.form} != folded.describe():
            yield f"{TRAINING_FORM} and {FOLDED} describe different nets"
        else:
            yield from _differing_layers(source, folded)
    if any(FORMATS[name].needs_quantization for name in bundle.formats):
        yield from (f"{QUANTIZATION}: {phrase}" for phrase in mismatches(bundle.quantization, bundle.folded.net))
    if (report.get("name"), report.get("weights")) != (config["name"], config["weights"]):
        yield f"{REPORT} is that of another net"
    if not all(check.passed for check in checks):
        yield f"{REPORT} has a failed check"


def _texts(
    bundle: OpenBundle, description: dict[str, Any], claims: dict[str, Any], checks: Sequence[Check]
) -> Iterator[str]:
    """Yield a phrase for each file whose bytes differ from those that this bundle format prescribes."""
    folder, config, source = bundle.folder, bundle.config, bundle.source
    there = set(files_below(folder)) - {SIGNATURE}
    expected = {CARD, REPORT, SUMS, FOLDED}
    for name, content in derived_files(folder, bundle.folded, description, bundle.formats):
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
    if any(FORMATS[name].needs_quantization for name in bundle.formats):
        expected.add(QUANTIZATION)
    yield from (f"{name} has no place in a bundle" for name in sorted(there - expected))
    if (folder / CARD).read_bytes() != bundle_card(config, checks, there, bundle.formats).encode():
        yield f"{CARD} is not the card of {CONFIG}"


def _differing_graphs(bundle: OpenBundle) -> Iterator[str]:
    """Yield a phrase for each text from which programs take the names of classes, if it contradicts config.json."""
    labels = list(bundle.folded.checkpoint.labels)
    if labels and (bundle.folder / LABELS).read_text(encoding="utf-8").splitlines() != labels:
        yield f"{LABELS} and {CONFIG} contradict each other"
    for path in sorted((bundle.folder / GRAPH).parent.glob("*.onnx")):
        told = Classifier(path).description
        yield from (
            f"{path.name} and {CONFIG} contradict each other on {fact}"
            for fact in ("id2label", "preprocessing")
            if told[fact] != bundle.config[fact]
        )


def _differing_layers(source: Checkpoint, folded: Checkpoint) -> Iterator[str]:
    for name, tensor in FoldedNet.of(source).checkpoint.state.items():
        largest = tensor.abs().max().item() or 1.0
        if not (folded.state[name] - tensor).abs().max().item() <= REFOLD * largest:
            yield f"{name} in {FOLDED} is not that of {TRAINING_FORM} folded"
