"""Folders on the command line: which files are taken, and in what order."""

import os
from pathlib import Path

import pytest

from pixels import find_pictures


def test_folders_become_the_pictures_below_them(tmp_path: Path) -> None:
    taken = ["a/b.JPG", "a/c.png", "a/d/e.webp", "b.tif", "c.gif"]
    left = ["a/notes.txt", ".hidden.png", ".git/x.png", "a/._b.jpg", "weights.onnx", "png"]
    for name in [*left, *reversed(taken)]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert find_pictures([tmp_path]) == [tmp_path / name for name in taken]


def test_files_that_are_named_stay_in_their_place(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f/x.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    given = [tmp_path / name for name in ("notes.txt", "f", "none.png", "f", "long" * 100)]
    expected = ("notes.txt", "f/x.png", "none.png", "f/x.png", "long" * 100)
    assert find_pictures(given) == [tmp_path / name for name in expected]


def test_a_folder_without_pictures_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "x.png").write_bytes(b"")
    assert find_pictures([tmp_path / "a", tmp_path]) == [tmp_path / "a", tmp_path / "x.png"]


def test_a_folder_that_may_not_be_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find_pictures([tmp_path]) == [tmp_path / name for name in ("a/x.png", "b", "c/x.png")]


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    (tmp_path / "again").symlink_to(tmp_path)
    assert find_pictures([tmp_path]) == [tmp_path / "x.png"]
