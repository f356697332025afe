"""torch.hub: what is listed, and that everything listed loads."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import zoo

PROGRAM = """
import sys, torch
net = torch.hub.load(sys.argv[1], "diracnet16_cifar", weights="cifar10", source="local", trust_repo=True)
folded = torch.hub.load(sys.argv[1], "diracnet16_cifar", pretrained=True, folded=True, source="local", trust_repo=True)
labels = torch.hub.load(sys.argv[1], "labels", "diracnet16_cifar", "cifar10", source="local", trust_repo=True)
transforms = torch.hub.load(sys.argv[1], "transforms", "diracnet16_cifar", "cifar10", source="local", trust_repo=True)
from PIL import Image
picture = transforms(Image.open(sys.argv[2]))[None]
assert torch.allclose(net(picture), folded(picture), atol=1e-4), "the two forms differ"
print(sys.modules["zoo"].__file__, labels[net(picture).argmax()])
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone holds of what torch.hub needs, in a place of its own."""
    root, copy = Path(zoo.__file__).parent.parent, tmp_path_factory.mktemp("hub") / "me_diracnet-zoo_main"
    for folder in ("pixels", "zoo", "checkpoints"):
        shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "hubconf.py", copy)
    return copy


def hub(*arguments: object, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), **({"PYTHONPATH": str(path)} if path else {})}
    command = [sys.executable, "-c", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_loads_without_installation_from_any_folder(clone: Path, tmp_path: Path, root: Path) -> None:
    done = hub(PROGRAM, clone, root / "docs" / "cat.jpg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file, label = done.stdout.split()
    assert Path(file) == clone / "zoo" / "__init__.py"
    assert label in zoo.get_weight("diracnet16_cifar", "cifar10").labels


def test_other_packages_of_the_names_are_named_and_not_used(clone: Path, tmp_path: Path) -> None:
    load = "torch.hub.load(sys.argv[1], 'diracnet10_cifar', source='local', trust_repo=True)"
    for package in ("zoo", "pixels"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("elephants = 3\n")
        done = hub(f"import sys, torch, {package}; {load}", clone, cwd=clone.parent, path=tmp_path)
        assert done.returncode != 0
        assert f"another package named '{package}' is in the way: {tmp_path / package}" in done.stderr
    # Merely lying on sys.path, they are not in the way.
    assert hub(f"import sys, torch; {load}", clone, cwd=clone.parent, path=tmp_path).returncode == 0


def test_the_list_holds_the_nets_and_three_helpers(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A cached repository is listed without a network. The zoo that tests have imported is another one than the copy's.
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(clone.parent))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("zoo", "pixels")]:
        monkeypatch.delitem(sys.modules, name)
    listed = torch.hub.list("me/diracnet-zoo:main", skip_validation=True, trust_repo=True, verbose=False)
    assert sorted(listed) == sorted([*zoo.list_models(), "labels", "list_models", "transforms"])


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_entrypoint_builds_its_net(name: str, root: Path) -> None:
    with torch.device("meta"):
        net = torch.hub.load(str(root), name, source="local", trust_repo=True)
    assert net.spec.name == name


def test_help_names_the_tags(root: Path) -> None:
    entry = torch.hub._load_entry_from_hubconf(
        torch.hub._import_module("hubconf", str(root / "hubconf.py")), "diracnet18"
    )
    assert "imagenet1k" in entry.__doc__ and entry.__name__ == "diracnet18"
