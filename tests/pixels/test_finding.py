"""Folders on the command line: which files are taken, and in what order."""

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
    given = [tmp_path / "notes.txt", tmp_path / "f", tmp_path / "none.png", tmp_path / "f"]
    assert find_pictures(given) == [tmp_path / name for name in ("notes.txt", "f/x.png", "none.png", "f/x.png")]


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match=r"holds no picture: no file below it ends in \.bmp, \.gif, "):
        find_pictures([tmp_path])


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    (tmp_path / "again").symlink_to(tmp_path)
    assert find_pictures([tmp_path]) == [tmp_path / "x.png"]
