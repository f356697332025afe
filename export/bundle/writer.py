"""Writes bundles: folders with a net in all its forms, its description, its card, and the proof that they agree."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from export.bundle.contents import bundle_card, derived_files
from export.bundle.description import describe
from export.bundle.parity import compare
from export.bundle.provenance import PROVENANCE, provenance
from export.bundle.sums import files_below, own_bundle, write_sums
from export.folding.folded import FoldedNet
from export.formats.names import choose_formats
from export.formats.table import FORMATS
from export.int8.record import Quantization
from export.int8.source import known_quantization
from export.layout import CARD, FOLDED, QUANTIZATION, REPORT, SUMS, TRAINING_CONFIG, TRAINING_FORM
from export.proof.check import Check, require
from export.proof.inputs import SEED
from zoo import Checkpoint, Weight
from zoo.files import new_folder, write_json
from zoo.machine import processor
from zoo.weights.checkpoint import UNTRAINED


def export_bundle(
    source: Checkpoint,
    out: str | Path,
    *,
    record: Weight | None = None,
    formats: Collection[str] = ("fp32",),
    features: Collection[str] = (),
    quantization: Quantization | None = None,
    replace: bool = False,
    mirror: Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> list[Check]:
    """Write a bundle: folded and training form, ONNX graphs, description, golden inputs, card, report and checksums.

    Everything is written to a temporary folder next to `out`, read back and checked; only then is the folder renamed.

    Args:
        source: the net, in training form or already folded.
        out: the folder to create.
        record: the registry's record of these weights; its figures go into config.json and the card.
        formats: names of the formats to write (see `export.formats.table`), or "all"; fp32 is always included.
        features: names of modules of the folded net, such as "group2", whose outputs the graphs should also give.
        quantization: the record that int8 needs; by default the registry's, or one calibrated on noise for an
            untrained net.
        replace: replace a bundle that exists already; only a folder that holds a bundle and nothing else is replaced,
            and only when the new one is complete.
        mirror: a folder to take the registry's record for int8 from; see `zoo.load_weight`.
        on_stage: called with a short text whenever a new stage begins.

    Returns:
        The checks, all passed.

    Raises:
        TypeError: `source` is not a checkpoint.
        ValueError: `out` exists already and may not be replaced, the size of the net's pictures is not known, a format
            or feature does not exist, the weights do not fit into a format, or there is no record of this net's
            quantization for int8.
        VerificationError: a check failed; nothing is left behind.

    Example:
        >>> import tempfile, export, zoo
        >>> checkpoint = zoo.load_weight(zoo.get_weight("diracnet16_cifar", "cifar10"), "folded")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checks = export.export_bundle(checkpoint, f"{folder}/bundle")
        >>> all(check.passed for check in checks)
        True
    """
    if not isinstance(source, Checkpoint):
        raise TypeError(
            f"expected a zoo.Checkpoint, got {type(source).__name__}; see zoo.Checkpoint.from_model and .load"
        )
    source.known_preprocessing()
    chosen, features = choose_formats(formats), tuple(features)
    with new_folder(Path(out), own_bundle if replace else None) as folder:
        on_stage("folding")
        if source.form == "dirac":
            source.save(folder / TRAINING_FORM)
            write_json(folder / TRAINING_CONFIG, describe(source, record, features))
        folded = FoldedNet.of(source)
        folded.checkpoint.save(folder / FOLDED)
        description = describe(folded.checkpoint, record, features)
        if any(FORMATS[name].needs_quantization for name in chosen):
            on_stage("quantizing")
            (folder / QUANTIZATION).parent.mkdir()
            known_quantization(folded, record, quantization, mirror).save(folder / QUANTIZATION)
        on_stage(f"writing {', '.join(chosen)}")
        for name, content in derived_files(folder, folded, description, chosen):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        checks = []
        on_stage("verifying")
        for check in compare(folder):
            on_stage(f"verifying: {check.title}")
            checks.append(check)
        require(checks)
        made = provenance(folder, source, description, chosen, record, quantization)
        write_json(folder / REPORT, _report(description, checks, made))
        files = [*files_below(folder), SUMS]
        (folder / CARD).write_bytes(bundle_card(description, checks, files, chosen).encode())
        write_sums(folder)
    return checks


def _report(description: dict[str, Any], checks: list[Check], made: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": description["name"],
        "weights": description["weights"],
        UNTRAINED: description[UNTRAINED],
        "machine": processor(),
        "threads": torch.get_num_threads(),
        "seed": SEED,
        "checks": [{**asdict(check), "passed": check.passed} for check in checks],
        PROVENANCE: made,
    }
