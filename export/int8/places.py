"""Where the record of a net's quantization is, and how to make it where there is none."""

from __future__ import annotations

from pathlib import Path

from export.layout import QUANTIZATION
from zoo import Weight
from zoo.weights.hub import fetch_version
from zoo.weights.locate import weight_file
from zoo.weights.reference import File, Folder, Hub, parse_reference

INT8 = "int8"
"""The record's name among the files that the registry lists for a net."""
BESIDE = Path(QUANTIZATION).name
"""The record's name beside a checkpoint file."""


def find_quantization(model: str, record: Weight | None, mirror: Path | None = None) -> Path | None:
    """Return the file of a net's quantization, or None if none is known.

    That is the registry's; or that of the bundle which the text names, in a folder or on the Hub; or, for a checkpoint
    file, `quantization.safetensors` beside it, or in `onnx/` beside it.

    Args:
        model: the net, as the user named it.
        record: the registry's record of its weights, if they have one.
        mirror: see `zoo.load_weight`.
    """
    try:
        if record is not None and INT8 in record.files:
            return weight_file(record, INT8, mirror)
        match parse_reference(model):
            case Folder(folder):
                places = [folder / QUANTIZATION]
            case File(path):
                places = [path.parent / BESIDE, path.parent / QUANTIZATION]
            case Hub(repository, revision):
                return fetch_version(repository, QUANTIZATION, revision=revision)[0]
            case _:
                places = []
    except FileNotFoundError:
        return None
    return next((path for path in places if path.is_file()), None)


def quantization_remedy(model: str, record: Weight | None) -> str:
    """Return the command after which a net whose quantization is not known can be measured in int8, with a remark.

    Args:
        model: the net, as the user named it.
        record: the registry's record of its weights, if they have one.
    """
    reference = parse_reference(model)
    if record is not None and record.folder is not None:
        return f"diracnet quantize {record.model}:{record.tag} --calibration DATA"
    if isinstance(reference, File):
        return f"diracnet quantize {model} --calibration DATA --out {reference.path.parent / BESIDE}"
    # A file more in a bundle would be none of its own.
    return f"diracnet export {model} --formats int8 --calibration DATA --out BUNDLE, and measure BUNDLE"
