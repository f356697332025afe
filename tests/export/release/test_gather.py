"""The folder of a release: complete, of one version, and the same each time."""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

import zoo
from export import verify
from export.bundle.sums import faults
from export.release.gather import gather, pack, version
from zoo.weights.record import Weight


@pytest.fixture
def source(root: Path, tmp_path: Path) -> Path:
    """What is read of the repository, and wheels that it may have built."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("CHANGELOG.md", "CITATION.cff"):
        shutil.copy(root / name, folder)
    (folder / "dist").mkdir()
    number = re.search(r'^VERSION = "(\S+)"', (root / "distributions" / "parts.py").read_text(encoding="utf-8"), re.M)[
        1
    ]
    (folder / "dist" / f"diracnet_zoo-{number}-py3-none-any.whl").write_bytes(b"a wheel")
    return folder


@pytest.fixture(scope="module")
def record() -> Weight:
    return zoo.get_weight("diracnet16_cifar", "cifar10")


@pytest.mark.slow
def test_a_release_is_complete_and_its_bundles_verify(source: Path, tmp_path: Path, record: Weight) -> None:
    out = tmp_path / "release"
    number = gather(source, source / "dist", out, namespace="acme", records=[record])
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    bundle, wheel = "diracnet16_cifar-cifar10.tar.gz", f"diracnet_zoo-{number}-py3-none-any.whl"
    assert files == {"NOTES.md", "VERSION", *(f"assets/{name}" for name in (bundle, wheel, "SHA256SUMS"))}
    assets = out / "assets"
    assert faults(assets) == []
    # As they lie beside a release on GitHub: in one folder, with nothing else.
    check = [shutil.which("sha256sum"), "-c", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=assets, check=False).returncode == 0
    assert (out / "VERSION").read_text() == f"{number}\n"
    text = (out / "NOTES.md").read_text(encoding="utf-8")
    assert text.startswith(f"## {number}") and text.count("\n## ") == 0

    with tarfile.open(assets / bundle) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    unpacked = tmp_path / "unpacked" / "diracnet16_cifar-cifar10"
    assert all(check.passed for check in verify(unpacked))
    assert "acme/diracnet16_cifar-cifar10" in (unpacked / "README.md").read_text(encoding="utf-8")
    for again in ("one", "two"):
        pack(unpacked, tmp_path / again)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == (assets / bundle).read_bytes()


@pytest.mark.parametrize("name", ["CITATION.cff", "CHANGELOG.md"])
def test_versions_that_differ_are_named(name: str, source: Path, tmp_path: Path) -> None:
    text = (source / name).read_text(encoding="utf-8")
    (source / name).write_text(re.sub(r"^(version:|##) \S+", r"\1 9.9.9", text, count=1, flags=re.M), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"the versions differ: .*{name} has 9\.9\.9"):
        gather(source, source / "dist", tmp_path / "release", records=[])
    assert not (tmp_path / "release").exists()


@pytest.mark.parametrize("namespace", ["", "a b", "a/b", "-a", "a/b/c"])
def test_an_account_that_cannot_be_is_refused_first(namespace: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"namespace '{namespace}': it is no account on the Hub"):
        gather(source, source / "dist", tmp_path / "release", namespace=namespace)
    assert not (tmp_path / "release").exists()


def test_without_wheels_there_is_no_release(root: Path) -> None:
    with pytest.raises(ValueError, match="there are no wheels"):
        version(root, [])
