"""The wheel: built, installed elsewhere and used."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import zoo

GIT = shutil.which("git")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Built from a copy, because setuptools leaves build/ and an egg-info beside setup.py.
    root, copy = Path(zoo.__file__).parent.parent, tmp_path_factory.mktemp("source") / "tree"
    ignored = shutil.ignore_patterns(".*", "build", "runs", "*.egg-info", "__pycache__", "tests")
    shutil.copytree(root, copy, ignore=ignored)
    commit = committed(copy)
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # Through the archive of sources, which must have all that setup.py reads.
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, copy]
    subprocess.run(build, check=True, capture_output=True)
    (file,) = out.glob("diracnet_zoo-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", out / "site", file], check=True)
    (out / "commit").write_text(commit)
    return file


def committed(copy: Path) -> str:
    """Make a copy a clone with one commit, or what GitHub's archive is where there is no Git; return the commit."""
    if not GIT:
        (copy / "checkpoints" / "COMMIT").write_text(f"{'c' * 40}\n")  # as Git writes it into GitHub's archive
        return "c" * 40
    git = [GIT, "-C", copy, "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *arguments], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def python(wheel: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(wheel.parent / "site")}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=wheel.parent, env=environment, capture_output=True, text=True, check=False)


def commit(wheel: Path) -> str:
    return (wheel.parent / "commit").read_text()


def test_contents(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"pixels/py.typed", "zoo/py.typed", "export/py.typed", "zoo/training/loop.py"} <= names
    assert "zoo/checkpoints/diracnet16_cifar/cifar10/manifest.json" in names
    assert zipfile.ZipFile(wheel).read("zoo/checkpoints/COMMIT").decode() == f"{commit(wheel)}\n"
    assert not [name for name in names if name.endswith(".safetensors") or name.startswith(("tests", "benchmarks"))]
    (entry,) = [name for name in names if name.endswith("entry_points.txt")]
    assert "diracnet = export.__main__:main" in zipfile.ZipFile(wheel).read(entry).decode()


@pytest.mark.skipif(not (Path(zoo.__file__).parent.parent / ".git").exists(), reason="needs a clone")
def test_githubs_archives_have_what_the_setup_reads(root: Path) -> None:
    read = ["setup.py", "pyproject.toml", "README.md", "LICENSE", "distributions/parts.py"]
    command = ["git", "check-attr", "export-ignore", *read, "distributions"]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == len(read) + 1 and all(line.endswith(": unspecified") for line in said)


@pytest.mark.skipif(not (Path(zoo.__file__).parent.parent / ".git").exists(), reason="needs a clone")
def test_git_leaves_line_ends_alone_on_every_system(root: Path) -> None:
    files = ["README.md", "checkpoints/diracnet16_cifar/cifar10/metrics.jsonl", "tests/export/bundle/kept/x/SHA256SUMS"]
    command = ["git", "check-attr", "text", *files]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [f"{file}: text: unset" for file in files]


def test_an_installed_package_works_and_knows_what_it_lacks(wheel: Path) -> None:
    said = python(wheel, "-c", "from zoo.revision import own; print(own())")
    assert said.stdout == f"Revision(commit='{commit(wheel)}', modified=False)\n", said.stderr
    listed = python(wheel, "-m", "export", "list", "diracnet16_cifar", "--json")
    assert json.loads(listed.stdout)[0]["weights"] == ["cifar10"], listed.stderr
    program = (
        "import zoo, export, torch; print(zoo.__file__, export.__file__)\n"
        "net = zoo.get_model('diracnet10_cifar').eval()\n"
        "assert torch.allclose(net(torch.ones(1, 3, 8, 8)), export.fold(net)(torch.ones(1, 3, 8, 8)), atol=1e-5)\n"
        "zoo.get_model('diracnet16_cifar', weights='cifar10')"
    )
    done = python(wheel, "-c", program)
    assert all(path.startswith(str(wheel.parent / "site")) for path in done.stdout.split())
    assert done.returncode == 1 and "carries no weights" in done.stderr, done.stderr
