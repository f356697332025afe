"""The bundle: a folder with a net in all its forms, its description, its card, and the proof that they agree."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch

from export.bundle.contents import derived_files
from export.bundle.description import describe
from export.bundle.forms import choose_forms
from export.bundle.parity import SEED, verify
from export.bundle.sums import files_below, write_sums
from export.cards.card import card
from export.folding.fold import fold
from export.int8.record import Quantization
from export.int8.source import known_quantization
from export.layout import CARD, FOLDED, QUANTIZATION, REPORT, SUMS, TRAINING_CONFIG, TRAINING_FORM
from export.proof.check import Check, require
from zoo import Checkpoint, DiracNet, Weight
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
    on_stage: Callable[[str], None] = lambda stage: None,
) -> list[Check]:
    """Write a bundle: folded and training form, ONNX graphs, description, golden inputs, card, report and checksums.

    Everything is written to a temporary folder beside `out`, read back and checked; only then is it renamed.

    Args:
        source: the net, in training form or already folded.
        out: the folder to create.
        record: the registry's record of these weights; its figures go into config and card.
        formats: names of forms (`export.layout.FORMS`) to write graphs in, or "all"; float32 is always among them.
        features: names of modules of the folded net, such as "group2", whose outputs the graphs are to give too.
        quantization: the record that the int8 form needs; by default that of the registry's weights.
        on_stage: told what is being done.

    Returns:
        The checks, all passed.

    Raises:
        ValueError: `out` exists already, nothing says how large the net's pictures are, there is no such form or
            feature, the weights do not fit into a form, or int8 lacks a record of this net's quantization.
        VerificationError: a check failed; nothing is left behind.
    """
    source.known_preprocessing()
    forms, features = choose_forms(formats), tuple(features)
    with new_folder(Path(out)) as folder:
        on_stage("folding")
        if source.form == "dirac":
            source.save(folder / TRAINING_FORM)
            write_json(folder / TRAINING_CONFIG, describe(source, record, features))
            model = cast(DiracNet, source.model())
            folded = replace(source, form="folded", state=fold(model).state_dict())
        else:
            folded = source
        folded.save(folder / FOLDED)
        description = describe(folded, record, features)
        if "int8" in forms:
            on_stage("quantizing")
            (folder / QUANTIZATION).parent.mkdir()
            known_quantization(folded, record, quantization).save(folder / QUANTIZATION)
        on_stage("emitting the ONNX graphs")
        for name, content in derived_files(folder, folded, description, forms):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        checks = []
        on_stage("verifying")
        for check in verify(folder):
            on_stage(f"verifying: {check.name}")
            checks.append(check)
        require(checks)
        write_json(folder / REPORT, _report(description, checks))
        files = [*files_below(folder), SUMS]
        (folder / CARD).write_bytes(card(description, checks, files).encode())
        write_sums(folder)
    return checks


def _report(description: dict[str, Any], checks: list[Check]) -> dict[str, Any]:
    packages = ("torch", "onnx", "onnxruntime", "safetensors", "numpy")
    return {
        "name": description["name"],
        "weights": description["weights"],
        UNTRAINED: description[UNTRAINED],
        "machine": f"{processor()}, {torch.get_num_threads()} threads",
        "seed": SEED,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "checks": [{**asdict(check), "passed": check.passed} for check in checks],
    }
