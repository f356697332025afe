"""labels.txt: what is written can be read, and what is wrong in a user's file is named by its line."""

from dataclasses import replace
from pathlib import Path

import pytest

import zoo
from export.bundle.labels import labels_text, read_labels, relabel
from zoo import Checkpoint
from zoo.reference import open_model

LABELS = ("cat", "dog, or what looks like one", "Füchse")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return open_model("diracnet10_cifar")[0]


@pytest.mark.parametrize("prefix", ["", "\ufeff"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_what_is_written_is_read(prefix: str, ending: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes((prefix + labels_text(LABELS).replace("\n", ending)).encode())
    assert read_labels(tmp_path / "labels.txt", 3) == LABELS
    (tmp_path / "labels.txt").write_text(labels_text(LABELS).rstrip(), encoding="utf-8")
    assert read_labels(tmp_path / "labels.txt", 3) == LABELS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cat\ndog\n", "has 2 labels, the net has 3 classes"),
        (b"", "has 0 labels"),
        (b"cat\ndog\nfox\nhen\n", "has 4 labels"),
        (b"cat\ndog\ncat\n", "line 3 names 'cat' again, after line 1"),
        (b"cat\n\nfox\n", "line 2 is empty"),
        (b"cat\ndog\nfox\n\n", "line 4 is empty"),
        (b"cat\n \t\nfox\n", "line 2 is empty"),
        (b"cat\n\xff\nfox\n", "is not UTF-8 text"),
    ],
)
def test_what_is_wrong_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path / "labels.txt", 3)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file of labels"):
        read_labels(tmp_path, 3)


@pytest.mark.parametrize("label", ["", " ", "two\nlines", "two\u2028lines"])
def test_labels_that_have_no_place_on_a_line(label: str) -> None:
    with pytest.raises(ValueError, match=r"has several lines|must be a text of 1 to 500 characters"):
        labels_text(["cat", label])


def test_only_weights_of_the_users_own_are_relabelled(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path, record = tmp_path / "labels.txt", zoo.get_weight("diracnet16_cifar", "cifar10")
    path.write_text("".join(f"{index}\n" for index in range(10)), encoding="utf-8")
    labels = tuple(str(index) for index in range(10))
    assert relabel(checkpoint, None, path) == replace(checkpoint, labels=labels)
    with pytest.raises(ValueError, match="differently from the registry"):
        relabel(checkpoint, record, path)
    path.write_text(labels_text(record.labels), encoding="utf-8")
    assert relabel(checkpoint, record, path).labels == record.labels
