"""Which commit the code is: in a clone, changed or not, in an archive, in a wheel, and where nobody can know."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from zoo.revision import Revision, of_source, own

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *names, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    (folder / "zoo").mkdir(parents=True)
    (folder / "docs").mkdir()
    git(folder, "init", "-q")
    (folder / "zoo" / "net.py").write_text("one")
    (folder / "docs" / "page.md").write_text("one")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    return folder


def test_a_clone_is_its_commit_and_says_if_its_code_was_changed(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    (clone / "docs" / "page.md").write_text("two")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")  # as in a hook of another repository
    assert of_source(clone) == Revision(commit)
    (clone / "zoo" / "net.py").write_text("two")
    assert of_source(clone) == Revision(commit, modified=True)


def test_no_program_is_started_that_the_clone_names(clone: Path, tmp_path: Path) -> None:
    script = tmp_path / "monitor"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path / 'pwned'}\n")
    script.chmod(0o755)
    git(clone, "config", "core.fsmonitor", str(script))
    assert of_source(clone).commit and not (tmp_path / "pwned").exists()


def test_an_archive_says_what_git_wrote(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / "COMMIT"
    for text in ("$Format:%H$\n", "", "main\n", "0" * 39, "\udce9" * 3):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert of_source(tmp_path) == Revision()
    path.write_text("a" * 40 + "\n")
    assert of_source(tmp_path) == Revision("a" * 40)


@pytest.mark.parametrize("modified", [False, True])
def test_what_is_written_is_read(tmp_path: Path, modified: bool) -> None:
    Revision("b" * 40, modified).write(tmp_path / "COMMIT")
    assert Revision.read(tmp_path / "COMMIT") == Revision("b" * 40, modified)
    Revision().write(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_without_git_nothing_is_known(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert of_source(clone) == Revision()


def test_this_code_is_a_commit_of_this_clone(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("no clone")
    assert own().commit == git(root, "rev-parse", "HEAD")
