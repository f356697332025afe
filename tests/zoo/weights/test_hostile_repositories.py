"""What repositories achieve that were made to do harm: an error, and nothing else."""

import dataclasses
import json
import pickle
import struct
from pathlib import Path

import pytest

import zoo

# The HTTP library beneath huggingface_hub finds the call by which that uploads files old-fashioned.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")

RECORD = zoo.get_weight("diracnet16_cifar", "cifar10")
FOLDED, DIRAC = ((RECORD.folder / RECORD.files[form].path).read_bytes() for form in ("folded", "dirac"))
SMALL = zoo.Spec(depth=10, width=0.25, family="cifar", num_classes=3)


def config(spec: zoo.Spec, form: str) -> bytes:
    return json.dumps({"form": form, "spec": spec.to_dict()}).encode()


HARMLESS = {"config.json": config(RECORD.spec, "folded"), "model.safetensors": FOLDED}


def header(tensors: dict, size: int | None = None) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text


def described(spec: zoo.Spec) -> dict:
    """The metadata of a checkpoint file without its tensors."""
    value = {"form": "folded", "spec": spec.to_dict(), "weights": "x", "labels": [], "preprocessing": None}
    return {"__metadata__": {"diracnet": json.dumps(value)}}


HUGE = dataclasses.replace(SMALL, width=2.0**15, num_classes=2**20)
SPARSE = {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}


class Evil:
    def __reduce__(self) -> tuple:
        return (open, ("escaped", "w"))


HOSTILE = {
    "a pickle": ({"model.safetensors": pickle.dumps(Evil())}, "is not a safetensors file, or is damaged"),
    "a text": ({"model.safetensors": b"../../../etc/passwd"}, "is not a safetensors file, or is damaged"),
    "a huge header": ({"model.safetensors": header({}, 2**63)}, "is not a safetensors file, or is damaged"),
    "terabytes": ({"model.safetensors": header(SPARSE)}, "is not a safetensors file, or is damaged"),
    "a huge net": (
        {"config.json": config(HUGE, "folded"), "model.safetensors": header(described(HUGE))},
        "these weights do not fit",
    ),
    "only a pickle": (
        {"config.json": config(SMALL, "folded"), "pytorch_model.bin": pickle.dumps(Evil())},
        "no such file",
    ),
    "a config that names files": (
        {"config.json": json.dumps({"weights": "../../x", "_name_or_path": "/etc/passwd"}).encode()},
        "holds no DiracNet: the form in its config.json is None",
    ),
    "a config of another net": ({"config.json": config(SMALL, "folded")}, "describe different nets"),
    "a config without a spec": ({"config.json": b'{"form": "folded"}'}, "config.json is damaged: spec is missing"),
    "a config with a wrong spec": (
        {"config.json": b'{"form": "folded", "spec": {"depth": "/etc"}}'},
        "config.json is damaged: spec.depth='/etc': must be a whole number",
    ),
    "a config that is a list": ({"config.json": b"[1]"}, "config.json is damaged: it is .1.: must be a JSON object"),
    "another form": ({"config.json": config(RECORD.spec, "dirac")}, "holds a training form only"),
    "a form that lies": ({"model.safetensors": DIRAC}, "describe different nets"),
    "paths that climb": (
        {"../../climbed": b"x", "/absolute": b"x", "..\\windows": b"x", "config.json": b"{}"},
        "holds no DiracNet",
    ),
}


@pytest.mark.parametrize(("files", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_repositories(hub, files: dict, message: str, tmp_path: Path, request, monkeypatch) -> None:
    """They get a clear error, run no code, and write nothing outside the cache."""
    name = f"evil/{request.node.callspec.id.replace(' ', '-')}"
    hub.plant(name, {**(HARMLESS if "only" not in name else {}), **files})
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        zoo.from_pretrained(name, folded=True)
    assert not list(place.iterdir()) and {path.name for path in tmp_path.iterdir()} <= {
        "place",
        "cache",
        "assets",
        "xet",
    }
    assert not (Path("/absolute").exists() or (tmp_path.parent / "climbed").exists())
