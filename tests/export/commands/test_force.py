"""--force replaces what the command itself wrote, whole or not at all, and nothing of anybody else's."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from export.bundle.sums import faults, own_bundle
from zoo.commands.arguments import own_file
from zoo.files import new_folder

GOLDEN = Path("tests/golden/v2-cifar10-16-0.5.pth")
DIGITS = ("train", "--recipe", "digits", "--epochs", "1")


@pytest.fixture(scope="module")
def exported(diracnet: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "b"
    assert diracnet("export", "diracnet10_cifar", "--out", out)[::2] == (0, "")
    return out


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "b")


def test_a_bundle_is_replaced(diracnet: Callable, bundle: Path) -> None:
    (bundle / "README.md").write_text("an older card\n")
    status, _, errors = diracnet("export", "diracnet10_v1_cifar", "--out", bundle)
    assert status == 2 and "exists already; remove it, name another, or replace it with --force" in errors
    assert diracnet("export", "diracnet10_v1_cifar", "--out", bundle, "--force")[::2] == (0, "")
    assert json.loads((bundle / "config.json").read_text())["name"] == "diracnet10_v1_cifar" and not faults(bundle)
    assert [path.name for path in bundle.parent.iterdir()] == ["b"]


def _add_a_file(folder: Path) -> str:
    (folder / "onnx" / "notes.txt").write_text("mine\n")
    return "holds more than a bundle (onnx/notes.txt)"


def _add_a_folder(folder: Path) -> str:
    (folder / ".git").mkdir()
    return "holds more than a bundle (.git)"


def _of_another_tool(folder: Path) -> str:
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return "is not a bundle of this package, by its config.json"


def _without_sums(folder: Path) -> str:
    (folder / "SHA256SUMS").unlink()
    return "is not a bundle: it has no SHA256SUMS"


def _damaged_sums(folder: Path) -> str:
    (folder / "SHA256SUMS").write_bytes(b"\xff")
    return "is not a bundle: SHA256SUMS is not text"


def _damaged_config(folder: Path) -> str:
    (folder / "config.json").write_text("{")
    return "Expecting property name enclosed in double quotes"


@pytest.mark.parametrize(
    "change", [_add_a_file, _add_a_folder, _of_another_tool, _without_sums, _damaged_sums, _damaged_config]
)
def test_what_is_no_bundle_or_holds_more_stays(diracnet: Callable, change: Callable[[Path], str], bundle: Path) -> None:
    message = change(bundle)
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    status, _, errors = diracnet("export", "diracnet10_cifar", "--out", bundle, "--force")
    assert status == 2 and message in errors and "so it is not replaced; name another folder" in errors
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before


def test_neither_files_nor_links_nor_empty_folders_are_bundles(
    diracnet: Callable, tmp_path: Path, bundle: Path
) -> None:
    (tmp_path / "file").write_text("mine\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(bundle)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "empty", "link", "dangling"):
        status, _, errors = diracnet("export", "diracnet10_cifar", "--out", tmp_path / name, "--force")
        assert status == 2 and f"{tmp_path / name} is " in errors
    assert (tmp_path / "file").read_text() == "mine\n" and (tmp_path / "link").is_symlink()


def test_the_folder_that_one_is_in_stays(
    diracnet: Callable, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bundle / "onnx" / ".DS_Store").touch()  # which Finder adds, and nobody misses
    for here, out in ((bundle, "."), (bundle / "onnx", "..")):
        monkeypatch.chdir(here)
        status, _, errors = diracnet("export", "diracnet10_cifar", "--out", out, "--force")
        assert status == 2 and f"{out} is the current folder or holds it, so it is not replaced" in errors
    assert not faults(bundle) and [path.name for path in tmp_path.iterdir()] == ["b"]
    monkeypatch.chdir(tmp_path)
    assert diracnet("export", "diracnet10_cifar", "--out", "b", "--force")[::2] == (0, "")


def test_a_bundle_stays_when_the_export_fails(diracnet: Callable, bundle: Path, tmp_path: Path) -> None:
    before = (bundle / "SHA256SUMS").read_bytes()
    status, _, errors = diracnet("export", "diracnet10_cifar", "--feature", "nope", "--out", bundle, "--force")
    assert status == 2 and "no feature 'nope'" in errors
    with pytest.raises(OSError, match="disk full"), new_folder(bundle, own_bundle) as folder:
        (folder / "half").touch()
        raise OSError("disk full")
    with pytest.raises(ValueError, match=r"holds more than a bundle \(mine.txt\)"), new_folder(bundle, own_bundle):
        (bundle / "mine.txt").touch()  # while the new one is made
    (bundle / "mine.txt").unlink()
    assert (bundle / "SHA256SUMS").read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["b"]


def test_the_old_folder_comes_back_if_the_new_one_cannot_take_its_place(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fails_for_the_new_one(path: Path, target: Path) -> Path:
        if target == bundle and path.name != "b":
            raise OSError("no such device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails_for_the_new_one)
    with pytest.raises(OSError, match="no such device"), new_folder(bundle, own_bundle):
        pass
    assert not faults(bundle) and [path.name for path in tmp_path.iterdir()] == ["b"]


def test_files(diracnet: Callable, tmp_path: Path, root: Path) -> None:
    out = tmp_path / "net.safetensors"
    command = ("import-upstream", root / GOLDEN, "--out", out)
    assert diracnet(*command)[::2] == (0, "")
    before = out.read_bytes()
    assert diracnet(*command)[0] == 2 and diracnet(*command, "--force")[::2] == (0, "") and out.read_bytes() == before
    for content in (b"", b"a letter\n", (2).to_bytes(8, "little") + b"{}", b"\xff" * 64):
        out.write_bytes(content)
        status, _, errors = diracnet(*command, "--force")
        assert status == 2 and "was not written by this package" in errors and out.read_bytes() == content
    with pytest.raises(ValueError, match="was not written by this package"):
        own_file(tmp_path)


def test_a_run_starts_anew(diracnet: Callable, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert diracnet(*DIGITS, "--out", run)[0] == 0
    first = (run / "model.safetensors").read_bytes()
    (run / "notes.txt").write_text("mine\n")
    status, _, errors = diracnet(*DIGITS, "--seed", 1, "--out", run)
    assert status == 2 and "seed=0, not 1" in errors
    assert diracnet(*DIGITS, "--seed", 1, "--out", run, "--force")[0] == 0
    assert json.loads((run / "run.json").read_text())["seed"] == 1 and (run / "notes.txt").read_text() == "mine\n"
    assert (run / "model.safetensors").read_bytes() != first
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine\n")
    status, _, errors = diracnet(*DIGITS, "--out", other, "--force")
    assert status == 2 and "is not empty and holds no run" in errors
