"""The original code's files: golden outputs, formats, damage."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import zoo
from zoo.weights.upstream import read_upstream

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = sorted(path.name for path in GOLDEN.glob("*.pth") if not path.name.endswith(".io.pth"))


def load(name: str) -> dict:
    return torch.load(GOLDEN / name, weights_only=True)


@pytest.mark.parametrize("name", FILES)
def test_logits_equal_the_original_program_s(name: str) -> None:
    io = load(name.replace("-folded", "").replace(".pth", ".io.pth"))
    net = zoo.load_upstream(GOLDEN / name)
    with torch.inference_mode():
        logits = net(io["input"])
    assert (logits - io["logits"]).abs().max() <= 1e-5 * io["logits"].abs().max()


def test_all_golden_files_are_there() -> None:
    assert len(FILES) == 5


@pytest.mark.parametrize(
    ("name", "form", "spec"),
    [
        ("v1-cifar10-16-0.5.pth", "dirac", {"depth": 16, "family": "cifar", "version": 1, "final_relu": False}),
        ("v2-cifar10-16-0.5.pth", "dirac", {"depth": 16, "family": "cifar", "width": 0.5, "num_classes": 10}),
        ("v1-imagenet-18-0.125.pth", "dirac", {"depth": 18, "width": 0.125, "version": 1}),
        ("v2-imagenet-18-0.125-folded.pth", "folded", {"depth": 18, "width": 0.125, "final_relu": True}),
    ],
)
def test_the_structure_is_inferred(name: str, form: str, spec: dict) -> None:
    checkpoint = read_upstream(GOLDEN / name)
    assert checkpoint.form == form
    assert spec.items() <= checkpoint.spec.to_dict().items()
    assert read_upstream(GOLDEN / name, final_relu=not checkpoint.spec.final_relu).spec != checkpoint.spec


def test_running_statistics_may_lie_in_a_dict_of_their_own() -> None:
    file = load("v2-cifar10-16-0.5.pth")
    stats = {name: file["params"].pop(name) for name in list(file["params"]) if "running" in name or name[:3] == "eye"}
    older = zoo.load_upstream({**file, "stats": stats}).state_dict()
    newer = zoo.load_upstream(GOLDEN / "v2-cifar10-16-0.5.pth").state_dict()
    assert all(torch.equal(older[name], newer[name]) for name in newer)


def test_folded_keys_without_features_and_safetensors(tmp_path: Path) -> None:
    file = load("v2-imagenet-18-0.125-folded.pth")
    bare = {name.removeprefix("features."): tensor for name, tensor in file.items()}
    save_file(bare, tmp_path / "folded.safetensors")
    expected = zoo.load_upstream(file).state_dict()
    for source in (bare, tmp_path / "folded.safetensors"):
        found = zoo.load_upstream(source).state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_folded_version_1_is_told_by_its_doubled_inputs() -> None:
    state = zoo.diracnet(depth=18, width=0.125, version=1, folded=True).state_dict()
    checkpoint = read_upstream(state)
    assert (checkpoint.form, checkpoint.spec.version, checkpoint.spec.final_relu) == ("folded", 1, True)


class Attack:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("attacked",)


def test_damaged_and_hostile_files_are_clear_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = (GOLDEN / "v2-cifar10-16-0.5.pth").read_bytes()
    contents = {
        "truncated.pth": whole[: len(whole) // 2],
        "empty.pth": b"",
        "text.pth": b"not a checkpoint",
        "attack.pth": pickle.dumps({"params": Attack()}),
        "broken.safetensors": b"\xff" * 64,
    }
    for name, content in contents.items():
        Path(name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} is damaged, or holds more than tensors"):
            zoo.load_upstream(name)
    assert not Path("attacked").exists()
    with pytest.raises(FileNotFoundError):
        zoo.load_upstream("absent.pth")
    Path("old.hkl").touch()
    with pytest.raises(ValueError, match="h5py"):
        zoo.load_upstream("old.hkl")


def test_shapes_that_a_file_only_claims_are_refused(tmp_path: Path) -> None:
    """A few bytes, each read a million times, would have the net that they describe take any amount of memory."""
    file = load("v2-cifar10-16-0.5.pth")
    params = file["params"]
    for name, tensor, message in (
        ("conv", torch.zeros(1).expand(8000, 3, 3, 3), r"conv of shape \(8000, 3, 3, 3\) repeats fewer values"),
        ("fc.weight", torch.tensor(0.0), "lacks conv, group0.block0.conv or fc of the right dimensions"),
        ("eye0_0", torch.zeros(8), "eye0_0 is not the delta of version 2"),
    ):
        torch.save({**file, "params": {**params, name: tensor}}, tmp_path / "hostile.pth")
        with pytest.raises(ValueError, match=message):
            zoo.load_upstream(tmp_path / "hostile.pth")


def test_foreign_dicts_are_clear_errors() -> None:
    with pytest.raises(ValueError, match="not a DiracNet file"):
        zoo.load_upstream(torch.nn.Linear(2, 2).state_dict())
    with pytest.raises(ValueError, match="was not made by the original code but by this package"):
        zoo.load_upstream(zoo.get_model("diracnet10_cifar").state_dict())
    with pytest.raises(ValueError, match="its entry 'epoch' is a int"):
        zoo.load_upstream({"epoch": 3})
    file = load("v2-cifar10-16-0.5.pth")
    missing = {name: tensor for name, tensor in file["params"].items() if name != "group1.block2.beta"}
    with pytest.raises(ValueError, match=r"group1\.block2\.conv\.beta is missing"):
        zoo.load_upstream({"params": missing})
    with pytest.raises(ValueError, match="surplus is unexpected"):
        zoo.load_upstream({"params": {**file["params"], "surplus": torch.zeros(1)}})
    with pytest.raises(ValueError, match="eye8_8_3_3 is not the delta"):
        zoo.load_upstream({"params": {**file["params"], "eye8_8_3_3": torch.zeros(8, 8, 3, 3)}})
    del file["params"]["group1.block3.conv"]
    with pytest.raises(ValueError, match="not a known DiracNet"):
        zoo.load_upstream(file)
