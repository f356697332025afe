"""Safetensors files that describe themselves: round trip, equal bytes, what is refused, no PyTorch for numpy alone."""

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from export.layout import METADATA_KEY
from zoo.weights.described import KEY, load_described, save_described

DESCRIPTION = {"b": [1, 2.5, None], "a": {"é": True}}
ARRAYS = {"z.weight": np.arange(6, dtype=np.int8).reshape(2, 3), "a.scale": np.float32([0.5, 1e-30])}


def test_arrays_and_tensors_come_back_from_the_same_bytes(tmp_path: Path) -> None:
    tensors = {name: torch.from_numpy(array) for name, array in ARRAYS.items()}
    save_described(tmp_path / "np", ARRAYS, DESCRIPTION, safetensors.numpy.save_file)
    save_described(tmp_path / "pt", dict(reversed(tensors.items())), DESCRIPTION, safetensors.torch.save_file)
    assert (tmp_path / "np").read_bytes() == (tmp_path / "pt").read_bytes()
    arrays, description = load_described(tmp_path / "np", "np")
    assert description == DESCRIPTION and arrays.keys() == ARRAYS.keys()
    assert all(arrays[name].dtype == a.dtype and np.array_equal(arrays[name], a) for name, a in ARRAYS.items())
    found, description = load_described(tmp_path / "np", "pt")
    assert description == DESCRIPTION and all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_files_and_graphs_share_one_metadata_key(tmp_path: Path) -> None:
    save_described(tmp_path / "file", ARRAYS, DESCRIPTION, safetensors.numpy.save_file)
    with safe_open(tmp_path / "file", framework="np") as file:
        assert list(file.metadata()) == [KEY]
    assert KEY == METADATA_KEY  # export.layout imports no other package, so that inference without PyTorch can


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_a_file_without_a_description_has_none(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    safetensors.numpy.save_file(ARRAYS, tmp_path / "file", metadata=metadata)
    tensors, description = load_described(tmp_path / "file", "np")
    assert description is None and tensors.keys() == ARRAYS.keys()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"a"'])
def test_a_description_that_is_no_json_object_is_damaged(text: str, tmp_path: Path) -> None:
    safetensors.numpy.save_file(ARRAYS, tmp_path / "file", metadata={KEY: text})
    with pytest.raises(ValueError, match=r"the description inside .*file is damaged"):
        load_described(tmp_path / "file", "np")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_described(tmp_path / "absent", "np")
    (tmp_path / "text").write_bytes(b"no safetensors")
    with pytest.raises(SafetensorError):
        load_described(tmp_path / "text", "np")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    save_described(tmp_path / "file", ARRAYS, DESCRIPTION, safetensors.numpy.save_file)
    before = (tmp_path / "file").read_bytes()
    with pytest.raises(TypeError):
        save_described(tmp_path / "file", ARRAYS, {"path": tmp_path}, safetensors.numpy.save_file)
    assert (tmp_path / "file").read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_arrays_are_read_without_pytorch(root: Path) -> None:
    program = "import sys, zoo.weights.described; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)


@pytest.mark.parametrize(
    ("said", "number", "told"),
    [
        ("Error while serializing: I/O error: No space left on device (os error 28)", 28, "No space left on device"),
        ("Error while serializing: IoError(Os { code: 28, kind: StorageFull })", errno.EIO, "StorageFull"),
    ],
)
def test_what_safetensors_says_of_a_disk_is_an_os_error(said: str, number: int, told: str, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SafetensorError(said)

    with pytest.raises(OSError, match=told) as raised:
        save_described(tmp_path / "net.safetensors", {}, {}, fail)
    assert raised.value.errno == number and raised.value.filename == str(tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())
