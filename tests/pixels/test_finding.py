"""Folders on the command line: which files are taken, and in what order."""

import os
from pathlib import Path

import pytest
from PIL import Image

from pixels import PassedOver, find_pictures, is_hidden, open_picture, picture_suffixes, pictures_below


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


def test_a_link_to_itself_is_named_if_it_would_be_a_picture(tmp_path: Path) -> None:
    for name in ("cat.png", "cats"):
        (tmp_path / name).symlink_to(tmp_path / name)
    passed_over = PassedOver()
    assert list(pictures_below(tmp_path, passed_over)) == [tmp_path / "cat.png"]
    assert passed_over == {"without a suffix": 1}
    with pytest.raises(ValueError, match=r"cat\.png is not a readable picture: Too many levels of symbolic links"):
        open_picture(tmp_path / "cat.png")


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/x.png").write_bytes(b"")
    (tmp_path / "b/again").symlink_to(tmp_path / "a")
    (tmp_path / "a/back").symlink_to(tmp_path / "b")
    assert find_pictures([tmp_path]) == [tmp_path / name for name in ("a/x.png", "b/again/x.png")]


LEFT_BEHIND = [".DS_Store", "._0.png", ".ipynb_checkpoints/0.png", "__MACOSX/a/0.png", "@eaDir/0.png", ".git/x/0.jpg"]


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_systems_leave_behind_is_passed_over_and_counted(name: str, tmp_path: Path) -> None:
    for each in (name, "a/0.png"):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_bytes(b"")
    passed_over = PassedOver()
    assert find_pictures([tmp_path], passed_over) == [tmp_path / "a/0.png"] and str(passed_over) == "1 hidden"


def test_what_is_no_picture_is_counted_by_its_suffix(tmp_path: Path) -> None:
    for name in ("a.txt", "b.TXT", "Thumbs.db", "notes", "x.doc.png", "e.eps"):
        (tmp_path / name).write_bytes(b"")
    passed_over = PassedOver()
    assert find_pictures([tmp_path], passed_over) == [tmp_path / "x.doc.png"]
    assert passed_over == {".txt": 2, ".db": 1, "without a suffix": 1, ".eps": 1}
    assert str(passed_over).startswith("2 .txt, ") and not is_hidden("x.doc.png")


@pytest.mark.filterwarnings("ignore:IM image format:DeprecationWarning")
@pytest.mark.parametrize("suffix", sorted(picture_suffixes()))
def test_pictures_that_pillow_writes_are_taken_and_opened(suffix: str, tmp_path: Path) -> None:
    """The two rules agree: what is taken in a folder can be opened, whatever its format."""
    path = tmp_path / f"x{suffix.upper()}"
    format_ = Image.registered_extensions()[suffix]
    if format_ not in Image.SAVE:
        pytest.skip("Pillow does not write it")
    for mode in ("RGB", "L", "1", "P"):
        try:
            Image.new(mode, (16, 16)).save(path)
            break
        except (OSError, ValueError):
            continue
    assert find_pictures([tmp_path]) == [path] and min(open_picture(path).size) >= 16


def test_common_formats_are_among_them() -> None:
    assert {".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm"} <= picture_suffixes()
    assert {".tif", ".tiff", ".webp"} <= picture_suffixes() and not {".eps", ".h5", ".mpg"} & picture_suffixes()
