"""Checkpoint files: round trip, equal bytes, damage."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

import zoo
from zoo.files import new_folder, replace_file, sha256
from zoo.preprocessing import CIFAR


def checkpoint() -> zoo.Checkpoint:
    net = zoo.get_model("diracnet10_cifar", num_classes=2)
    return zoo.Checkpoint(
        form="dirac",
        spec=net.spec,
        tag="test",
        labels=("a", "b"),
        preprocessing=CIFAR,
        state={name: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
               for name, tensor in net.state_dict().items()},
    )  # fmt: skip


def test_round_trip(tmp_path: Path) -> None:
    saved = checkpoint()
    saved.save(tmp_path / "net.safetensors")
    loaded = zoo.Checkpoint.load(tmp_path / "net.safetensors")
    assert loaded.describe() == saved.describe()
    assert all(torch.equal(loaded.state[name], saved.state[name]) for name in saved.state)
    assert isinstance(zoo.build_from(loaded), zoo.DiracNet) and not zoo.build_from(loaded).training


def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    checkpoint().save(tmp_path / "net.safetensors")
    program = (
        "import sys, zoo; from pathlib import Path\nzoo.Checkpoint.load(Path(sys.argv[1])).save(Path(sys.argv[2]))"
    )
    for seed in ("1", "2"):
        copy = tmp_path / f"copy{seed}.safetensors"
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "net.safetensors"), str(copy)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(zoo.__file__).parent.parent)},
        )
        assert sha256(copy) == sha256(tmp_path / "net.safetensors")


def test_damage_is_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    checkpoint().save(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="is not a safetensors file, or is damaged"):
        zoo.Checkpoint.load(file)
    save_file({"weight": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match="does not say which net it belongs to"):
        zoo.Checkpoint.load(file)
    save_file({"weight": torch.zeros(1)}, file, metadata={"diracnet": '{"form": "dirac"}'})
    with pytest.raises(ValueError, match="the description inside"):
        zoo.Checkpoint.load(file)
    with pytest.raises(FileNotFoundError):
        zoo.Checkpoint.load(tmp_path / "absent.safetensors")


def test_mismatched_entries_of_a_state_are_named() -> None:
    saved = checkpoint()
    state = dict(saved.state)
    state["fc.bias"] = torch.zeros(3)
    state["more"] = state.pop("bn.weight")
    with pytest.raises(ValueError, match=r"bn.weight is missing; more is unexpected; fc.bias has shape \(3,\)"):
        zoo.build_from(replace(saved, state=state))


@pytest.mark.parametrize(
    ("field", "value"), [("form", "flat"), ("labels", ("one",)), ("spec", zoo.Spec(depth=18, in_channels=1))]
)
def test_contradictions_are_errors(field: str, value: object) -> None:
    with pytest.raises(ValueError):
        replace(checkpoint(), **{field: value})


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(OSError, match="disk full"), replace_file(file) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")
    with pytest.raises(OSError, match="disk full"), new_folder(tmp_path / "new" / "folder") as folder:
        (folder / "half").touch()
        raise OSError("disk full")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and file.read_text() == "old"


def test_a_net_whose_layers_are_not_those_of_its_spec_is_refused() -> None:
    """It could be saved, and never be loaded again."""
    for change, message in (
        (
            lambda net: setattr(net, "fc", nn.Linear(64, 3)),
            r"fc\.weight has shape \(3, 64\), expected \(10, 64\).*reset_cl",
        ),
        (lambda net: setattr(net, "fc", nn.Sequential(nn.Dropout(), nn.Linear(64, 10))), r"fc\.weight is missing"),
        (lambda net: prune.l1_unstructured(net.fc, "weight", 0.5), r"fc\.weight_orig is unexpected"),
    ):
        net = zoo.get_model("diracnet10_cifar")
        change(net)
        with pytest.raises(ValueError, match=r"is no diracnet10_cifar with 10 classes any more: .*" + message):
            zoo.Checkpoint.from_model(net)


def test_what_cannot_be_described_leaves_a_saved_net_as_it_was(tmp_path: Path) -> None:
    net = zoo.get_model("diracnet10_cifar")
    net.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with torch.no_grad():
        net.fc.bias += 1
    with pytest.raises(TypeError):
        net.save_pretrained(tmp_path, config={"epochs": np.int64(3)})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
