"""Whether a bundle can be trusted: its files are those listed, and each agrees with all the others.

The checksums find what was damaged. The cross-checks find what was altered in one file by somebody who wrote the
checksums anew; who alters all files consistently is found by comparing the digest of SHA256SUMS with a published one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import onnx
from torch import nn

from export.card import card
from export.description import RECORD_KEYS, describe
from export.folding import fold
from export.layout import CARD, CONFIG, FOLDED, GRAPH, REPORT, SUMS, TRAINING_CONFIG, TRAINING_FORM
from export.onnx_graph import emit
from export.parity import Check, verify
from export.sums import faults, files_below
from zoo import Checkpoint
from zoo.files import read_json, sha256

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
    problems: list[str] = []
    try:
        problems = list(_disagreements(folder))
    except KeyError as error:
        problems = [f"{CONFIG} or {REPORT} lacks {error}"]
    except (ValueError, TypeError, OSError) as error:
        problems = [str(error)]
    yield Check("files that disagree with others", len(problems), 0, "; ".join(problems))
    if not problems:
        yield from verify(folder)


def _disagreements(folder: Path) -> Iterator[str]:
    """Yield a phrase for each file that is not what the folded net and the training form say that it must be."""
    folded = Checkpoint.load(folder / FOLDED)
    config = read_json(folder / CONFIG)
    if _own(config) != describe(folded, None) or not set(config) - set(_own(config)) <= RECORD_KEYS:
        yield f"{CONFIG} does not describe {FOLDED}"
    if (folder / TRAINING_FORM).is_file():
        source = Checkpoint.load(folder / TRAINING_FORM)
        if read_json(folder / TRAINING_CONFIG) != {**config, **describe(source, None)}:
            yield f"{TRAINING_CONFIG} does not describe {TRAINING_FORM} as {CONFIG} does"
        if {**source.describe(), "form": folded.form} != folded.describe():
            yield f"{TRAINING_FORM} and {FOLDED} describe different nets"
        else:
            yield from _differing_layers(source, folded)
    if _graph(folder / GRAPH) != emit(cast(nn.Sequential, folded.model()), config):
        yield f"{GRAPH} is not the graph of {FOLDED} with the metadata of {CONFIG}"
    report = read_json(folder / REPORT)
    if (report.get("name"), report.get("weights")) != (config["name"], config["weights"]):
        yield f"{REPORT} is that of another net"
    checks = [Check(**{key: check[key] for key in ("name", "figure", "limit", "note")}) for check in report["checks"]]
    if not all(check.passed for check in checks):
        yield f"{REPORT} has a failed check"
    if (folder / CARD).read_text(encoding="utf-8") != card(config, checks, files_below(folder)):
        yield f"{CARD} is not the card of {CONFIG}"


def _differing_layers(source: Checkpoint, folded: Checkpoint) -> Iterator[str]:
    for name, tensor in fold(source.model()).state_dict().items():
        largest = tensor.abs().max().item() or 1.0
        if not (folded.state[name] - tensor).abs().max().item() <= REFOLD * largest:
            yield f"{name} in {FOLDED} is not that of {TRAINING_FORM} folded"


def _graph(path: Path) -> onnx.ModelProto | None:
    try:
        return onnx.load(path)
    except Exception:  # protobuf's error comes from one of several implementations
        return None


def _own(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in RECORD_KEYS}
