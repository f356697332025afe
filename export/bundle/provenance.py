"""How a bundle was made, for its report.json: a record from which `diracnet reproduce` makes it again.

The words are those of SLSA's provenance (slsa.dev, version 1). `buildDefinition` follows from the net, the options and
the version of this code, and from nothing else: no path, no time, no machine. `runDetails` says which packages ran. No
other file of a bundle repeats any of it, so that the others have the same bytes wherever they are made.
"""

from __future__ import annotations

import json
import platform
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from export.bundle.reader import OpenBundle
from export.formats.table import FORMATS
from export.int8.places import INT8
from export.int8.record import Quantization
from export.layout import FEATURES, FOLDED, QUANTIZATION, TRAINING_FORM
from zoo import Checkpoint, Weight
from zoo.description import MODEL
from zoo.files import json_bytes, sha256
from zoo.nets.registry import MODELS
from zoo.revision import own
from zoo.weights.checkpoint import UNTRAINED, state_digest
from zoo.weights.record import all_weights

PROVENANCE = "provenance"
"""Key of report.json."""
BUILD_TYPE = "pkg:pypi/diracnet-zoo#export/bundle"
CODE, WEIGHTS = "code", "weights"
"""Names of two of the inputs."""
SAID = ("metrics", "provenance", "repository")
"""What may be said of weights of the registry in place of what stands there."""
_PACKAGES = ("ai-edge-litert", "numpy", "onnx", "onnxruntime", "protobuf", "safetensors", "torch")


def provenance(
    folder: Path,
    source: Checkpoint,
    description: Mapping[str, Any],
    formats: Collection[str],
    record: Weight | None,
    given: Quantization | None,
) -> dict[str, Any]:
    """Return the provenance of a bundle whose files are there already, but for card, report and SHA256SUMS.

    Args:
        folder: the bundle.
        source: the net that it is made of.
        description: the bundle's description of the net.
        formats: names of the formats that it is written in.
        record: the registry's record of the weights, if they have one.
        given: the quantization record that the caller gave, if one was.
    """
    chosen = _chosen(source, record)
    if any(FORMATS[name].needs_quantization for name in formats):
        known = "registry" if record is not None and INT8 in record.files else "noise"
        chosen["quantization"] = known if given is None else "given"
    return {
        "buildDefinition": _definition(folder, source, description, formats, chosen, code_here()),
        "runDetails": {"builder": {"id": "pkg:pypi/diracnet-zoo", "version": versions_here()}},
    }


def contradictions(report: Mapping[str, Any], bundle: OpenBundle) -> Iterator[str]:
    """Yield a phrase if the provenance in a bundle's report is missing, or does not fit the bundle's other files."""
    if PROVENANCE not in report:
        yield f"it has no {PROVENANCE}"
        return
    stored = report[PROVENANCE]["buildDefinition"]
    parameters, inputs = stored["externalParameters"], stored["resolvedDependencies"]
    chosen = {key: parameters[key] for key in ("model", "quantization", *SAID) if key in parameters}
    code: Mapping[str, Any] = next((each for each in inputs if each["name"] == CODE), {})
    source = bundle.source or bundle.folded.checkpoint
    expected = _definition(bundle.folder, source, bundle.config, bundle.formats, chosen, code)
    for key, value in json.loads(json_bytes(expected)).items():
        if stored[key] != value:
            yield f"the {key} of its {PROVENANCE} do not fit the bundle's other files"


def command(parameters: Mapping[str, Any]) -> str:
    """Return the command line that means these parameters, with MODEL and DATA for what has no name elsewhere.

    Example:
        >>> command({"model": "diracnet16_cifar:cifar10", "formats": ["fp32"], "features": ["group2"]})
        'diracnet export diracnet16_cifar:cifar10 --formats fp32 --feature group2'
    """
    words = ["diracnet", "export", parameters.get("model", "MODEL"), "--formats", ",".join(parameters["formats"])]
    words += [word for name in parameters["features"] for word in ("--feature", name)]
    words += ["--calibration", "DATA"] if parameters.get("quantization") == "given" else []
    return shlex.join(words)


def code_here() -> dict[str, Any]:
    """Return this version of the code as an input: the commit is there where it is known."""
    found, number = own(), _version("diracnet-zoo")
    return {
        "name": CODE,
        "uri": "pkg:pypi/diracnet-zoo" + (f"@{number}" if number else ""),
        **({"digest": {"gitCommit": found.commit}} if found.commit else {}),
        **({"annotations": {"modified": True}} if found.modified else {}),
    }


def versions_here() -> dict[str, str]:
    """Return the versions of Python and of the packages that write and check a bundle's files."""
    found = {name: number for name in _PACKAGES if (number := _version(name)) is not None}
    return {"python": platform.python_version(), **found}


def _chosen(source: Checkpoint, record: Weight | None) -> dict[str, Any]:
    """Return those parameters that the bundle's other files do not tell."""
    if record is not None:
        known = all_weights().get((record.model, record.tag))
        said = {key: getattr(record, key) for key in SAID if getattr(record, key) != getattr(known, key, None)}
        plain = {key: dict(value) if isinstance(value, Mapping) else value for key, value in said.items() if value}
        return {**_named(f"{record.model}:{record.tag}"), **plain}
    name = source.spec.name
    if source.tag == UNTRAINED and MODELS.get(name) == source.spec:
        return {"model": name}
    return _named(source.origin)


def _named(model: str | None) -> dict[str, str]:
    """Return the model's name as a parameter; nothing where it has none that others know."""
    return {"model": model} if model is not None and MODEL.holds(model) else {}


def _definition(
    folder: Path,
    source: Checkpoint,
    description: Mapping[str, Any],
    formats: Collection[str],
    chosen: Mapping[str, Any],
    code: Mapping[str, Any],
) -> dict[str, Any]:
    parameters = {
        **chosen,
        "form": source.form,
        "formats": list(formats),
        "features": list(description[FEATURES]),
        **({} if "reference" in description else {"net": source.describe()}),
    }
    file = folder / (TRAINING_FORM if source.form == "dirac" else FOLDED)
    inputs = [
        dict(code),
        {"name": WEIGHTS, "digest": {"sha256": sha256(file), "tensors": state_digest(source.state)}},
        *_data(description.get("provenance", {}).get("data_sha256"), ("train", "test"), "{} pictures"),
    ]
    if "quantization" in parameters:
        inputs.append({"name": QUANTIZATION, "digest": {"sha256": sha256(folder / QUANTIZATION)}})
        inputs += _data(Quantization.load(folder / QUANTIZATION).calibration, ("sha256",), "calibration pictures")
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {**parameters, "command": command(parameters)},
        "resolvedDependencies": inputs,
    }


def _data(digests: Any, keys: Collection[str], name: str) -> list[dict[str, Any]]:
    """Return the data of which there are digests, as inputs; what else a file may hold in their place is left out."""
    found = {key: digests.get(key) for key in keys} if isinstance(digests, Mapping) else {}
    return [
        {"name": name.format(key), "digest": {"sha256": digest}}
        for key, digest in found.items()
        if isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
