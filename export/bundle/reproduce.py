"""Making a bundle again from its own provenance, and comparing the two byte by byte.

What the provenance says is validated, and used as parameters of `export_bundle` alone: no command is run, no path is
opened, and no address fetched because a bundle names it.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from export.bundle.contents import BUNDLE_FORMAT, BUNDLE_FORMAT_KEY
from export.bundle.provenance import BUILD_TYPE, CODE, PROVENANCE, SAID, WEIGHTS, code_here, command, versions_here
from export.bundle.reader import OpenBundle
from export.bundle.sums import files_below, read_sums, require_bundle
from export.bundle.writer import export_bundle
from export.folding.folded import FoldedNet
from export.formats.names import NAMES, choose_formats
from export.int8.places import INT8
from export.int8.record import Quantization
from export.int8.validation import mismatches
from export.layout import CONFIG, QUANTIZATION, REPORT, SIGNATURE, SUMS
from export.proof.check import VerificationError
from zoo import Checkpoint, Weight, get_weight, load_weight
from zoo.files import read_json, sha256
from zoo.nets.registry import MODELS
from zoo.reference import open_model
from zoo.schema import Value, reading
from zoo.weights.checkpoint import UNTRAINED, state_digest
from zoo.weights.locate import weight_file
from zoo.weights.record import all_weights
from zoo.weights.repository import load_file

EQUAL, MEASURED, DIFFERENT, MISSING, EXTRA = "equal", "measured anew", "different", "missing", "extra"


@dataclass(frozen=True)
class Reproduction:
    """What came of making a bundle again.

    Args:
        command: the command line that the provenance means.
        files: each file → "equal"; "measured anew", for the report and its line in SHA256SUMS, where only rounding
            errors, machine and versions differ; "different"; "missing" from the bundle; or "extra" there.
        notes: what else its reader must know: other versions, and what was taken from the bundle or left out.
    """

    command: str
    files: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def failed(self) -> dict[str, str]:
        """The files that were not reproduced."""
        return {name: result for name, result in self.files.items() if result not in (EQUAL, MEASURED)}


def reproduce(
    folder: str | Path, source: str | None = None, *, on_stage: Callable[[str], None] = lambda stage: None
) -> Reproduction:
    """Make a bundle again from its provenance, in a temporary folder, and compare the two byte by byte.

    Args:
        folder: the bundle.
        source: the weights that it was made of, if they are not the registry's: a checkpoint file, the folder of a run
            or of a bundle, or `ORG/NAME` on the Hub. For those of the registry: a file, or a folder to take them from.
        on_stage: see `export_bundle`.

    Raises:
        FileNotFoundError: the folder is not a bundle, or the weights are not here.
        ValueError: the bundle has no provenance, or a damaged one, or the weights are others.
        VerificationError: the bundle's quantization record is another, or the bundle that was made anew fails a check.

    Example:
        >>> import export
        >>> export.reproduce("no/such/folder")
        Traceback (most recent call last):
        ...
        FileNotFoundError: no/such/folder is not a bundle: it has no SHA256SUMS
    """
    folder = Path(folder)
    require_bundle(folder)
    report = OpenBundle(folder).report
    definition = _definition(folder, report)
    parameters, inputs = definition["externalParameters"], _by_name(definition)
    checkpoint, record, mirror = _source(folder, parameters, inputs[WEIGHTS]["digest"], source)
    notes = list(_notes(folder, report))
    quantization = None
    if parameters.get("quantization", "noise") != "noise":
        quantization, taken = _quantization(folder, record, mirror, checkpoint, inputs)
        notes += taken
    said = {key: parameters[key] for key in SAID if key in parameters}
    if record and said.get("metrics", record.metrics) != record.metrics:
        notes.append(f"the figures are the bundle's own, {said['metrics']}; the registry has {dict(record.metrics)}")
    with TemporaryDirectory() as temporary:
        again = Path(temporary, "bundle")
        export_bundle(
            checkpoint,
            again,
            record=replace(record, **said) if record else None,
            formats=parameters["formats"],
            features=parameters["features"],
            quantization=quantization,
            on_stage=on_stage,
        )
        made = OpenBundle(again).report
        files = dict(_compare(folder, again, _constant(report) == _constant(made)))
    if here := {check["name"] for check in made["checks"]} ^ {check["name"] for check in report["checks"]}:
        notes.append(f"the checks made there and here differ in {', '.join(sorted(here))}, which the card counts")
    if (folder / SIGNATURE).is_file():
        notes.append(f"{SIGNATURE} is left out of the comparison: only who signed can make it again")
    return Reproduction(parameters["command"], files, tuple(notes))


def _definition(folder: Path, report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the provenance's `buildDefinition`, if it is one from which this version makes bundles."""
    if PROVENANCE not in report:
        raise ValueError(
            f"{folder} does not say how it was made: its {REPORT} has no {PROVENANCE}, so an earlier version exported "
            "it. `diracnet verify` checks what it holds; export the net again to have a bundle that can be reproduced"
        )
    definition: Mapping[str, Any] = report[PROVENANCE]["buildDefinition"]
    parameters = definition["externalParameters"]
    with reading(f"the {PROVENANCE} in {folder / REPORT}"):
        for rule, value, key in (
            (Value(BUILD_TYPE, BUILD_TYPE.__eq__), definition["buildType"], "buildType"),
            (Value("fp32 and others, each once, in order", _in_order), parameters["formats"], "formats"),
            (Value("what the parameters mean", command(parameters).__eq__), parameters["command"], "command"),
        ):
            rule.check(value, key)
        if not {"sha256", "tensors"} <= _by_name(definition).get(WEIGHTS, {}).get("digest", {}).keys():
            raise ValueError(f"resolvedDependencies: no digests of the {WEIGHTS}")
        if "net" not in parameters and ":" not in parameters.get("model", ""):
            raise ValueError("externalParameters: neither model is NAME:TAG, nor is there a net")
    return definition


def _in_order(formats: list[str]) -> bool:
    return not set(formats) - set(NAMES) and list(choose_formats(formats)) == formats


def _source(
    folder: Path, parameters: Mapping[str, Any], digest: Mapping[str, str], place: str | None
) -> tuple[Checkpoint, Weight | None, Path | None]:
    """Return the net that a bundle was made of, with the registry's record and the mirror, if there are such."""
    name, form, net = parameters.get("model"), parameters["form"], parameters.get("net")
    record, mirror = None, None
    if net is None:
        known = (each for each in all_weights().values() if digest["sha256"] in each.digests.values())
        record = next(known, None) or get_weight(*str(name).split(":", 1))
        if place is not None and not Path(place).exists():
            raise FileNotFoundError(f"no such file or folder: {place}")
        mirror = Path(place) if place is not None and Path(place).is_dir() else None
        own = load_file(Path(place), form) if place is not None and mirror is None else None
        checkpoint = own or load_weight(record, form, mirror)
    elif place is not None:
        checkpoint, _ = open_model(place, form)
    elif name in MODELS and net["weights"] == UNTRAINED:
        checkpoint, _ = open_model(str(name))
    else:
        raise ValueError(
            f"{folder} was made of weights that are not the registry's{f', {name}' if name else ''}: name them with "
            "--from, as a checkpoint file, the folder of a run, or ORG/NAME on the Hub"
        )
    if net is not None:
        with reading(f"the {PROVENANCE} in {folder / REPORT}"):
            checkpoint = Checkpoint.from_description(net, checkpoint.state)
    if (found := state_digest(checkpoint.state)) != digest["tensors"]:
        raise ValueError(
            f"{place or name} is not what {folder} was made of: the sha256 of its tensors is {found}, the bundle's "
            f"{PROVENANCE} says {digest['tensors']}"
        )
    return checkpoint, record, mirror


def _quantization(
    folder: Path, record: Weight | None, mirror: Path | None, checkpoint: Checkpoint, inputs: Mapping[str, Any]
) -> tuple[Quantization, list[str]]:
    """Return the quantization record: the registry's, or else the bundle's own, and a note if it is that."""
    digest = inputs.get(QUANTIZATION, {}).get("digest", {}).get("sha256")
    if record is not None and INT8 in record.files and record.files[INT8].sha256 == digest:
        return Quantization.load(weight_file(record, INT8, mirror)), []
    if not (folder / QUANTIZATION).is_file() or sha256(folder / QUANTIZATION) != digest:
        raise VerificationError(f"{folder / QUANTIZATION} is not the one that the bundle's {PROVENANCE} names")
    taken = Quantization.load(folder / QUANTIZATION)
    for phrase in mismatches(taken, FoldedNet.of(checkpoint).net):
        raise ValueError(f"{folder / QUANTIZATION} is not that of the net: {phrase}")
    return taken, [f"{QUANTIZATION} is taken from the bundle: it was calibrated on pictures that it does not hold"]


def _notes(folder: Path, report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each difference between the versions that made a bundle and those here."""
    number: Any = BUNDLE_FORMAT
    with suppress(ValueError):  # a damaged file is told by the comparison
        number = read_json(folder / CONFIG).get(BUNDLE_FORMAT_KEY, 0)
    if number != BUNDLE_FORMAT:
        yield f"the bundle has format {number}, this version writes {BUNDLE_FORMAT}"
    made = report[PROVENANCE]
    code: tuple[Mapping[str, Any], ...] = (_by_name(made["buildDefinition"]).get(CODE, {}), code_here())
    for what, there, now in (
        ("version of the code", *(each.get("uri", "unknown") for each in code)),
        ("commit", *(each.get("digest", {}).get("gitCommit", "unknown") for each in code)),
    ):
        if there != now:
            yield f"another {what} made it: {there}; here is {now}"
    for each, whose in zip(code, ("made it", "is here"), strict=True):
        if each.get("annotations", {}).get("modified"):
            yield f"the code that {whose} has changes that are in no commit"
    versions, own = made["runDetails"]["builder"]["version"], versions_here()
    other = sorted(name for name in versions.keys() | own.keys() if versions.get(name) != own.get(name))
    if other:
        told = (f"{name} {versions.get(name, 'unknown')}, here {own.get(name, 'not installed')}" for name in other)
        yield f"other packages made it: {'; '.join(told)}"


def _compare(folder: Path, again: Path, same_report: bool) -> Iterator[tuple[str, str]]:
    """Yield each file of either bundle, and how the two compare."""
    theirs, ours = ({*files_below(each)} - {SIGNATURE} for each in (folder, again))
    for name in sorted(theirs | ours):
        if name not in ours or name not in theirs:
            yield name, EXTRA if name in theirs else MISSING
        elif filecmp.cmp(folder / name, again / name, shallow=False):
            yield name, EQUAL
        else:
            anew = name in (REPORT, SUMS) and same_report and _lists_its_report(folder, again)
            yield name, MEASURED if anew else DIFFERENT


def _lists_its_report(folder: Path, again: Path) -> bool:
    """Tell whether a bundle's SHA256SUMS is that of the other but for the report, whose digest it has."""
    try:
        theirs, ours = (read_sums(each / SUMS) for each in (folder, again))
    except ValueError:
        return False
    return theirs == {**ours, REPORT: sha256(folder / REPORT)}


def _constant(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a report holds wherever and by whichever version the same bundle is made."""
    definition = report[PROVENANCE]["buildDefinition"]
    # How the quantization was chosen may differ; its digest is among the inputs, and the command follows from it.
    varying = ("command", "quantization")
    parameters = {key: value for key, value in definition["externalParameters"].items() if key not in varying}
    return {
        **{key: value for key, value in report.items() if key not in ("machine", "threads", "checks", PROVENANCE)},
        "keys": sorted(report),
        "checks": [[each.get(key) for key in ("name", "inputs", "limit", "passed")] for each in report["checks"]],
        "parameters": parameters,
        "inputs": [each for each in definition["resolvedDependencies"] if each["name"] != CODE],
    }


def _by_name(definition: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {each["name"]: each for each in definition["resolvedDependencies"]}
