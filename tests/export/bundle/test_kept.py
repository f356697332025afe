"""Bundles of earlier formats, kept as they were exported: they go on verifying for ever."""

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from export import Classifier, VerificationError, verify
from export.bundle.contents import BUNDLE_FORMAT
from export.bundle.sums import files_below, write_sums
from export.commands.full import app
from export.layout import CARD, CONFIG, FOLDED, GRAPH, LABELS, REPORT, SUMS
from zoo import Checkpoint
from zoo.files import read_json, write_json

KEPT = sorted((Path(__file__).parent / "kept").iterdir())
SCRIPT = Path(__file__).with_name("keep.py")
FOREIGN = "bundle format 0: checked by hashes, figures and outputs alone"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KEPT[0], tmp_path / "old"))


def rewritten(folder: Path, name: str, old: bytes, new: bytes) -> None:
    """Alter a file as somebody would who also rewrites the checksums."""
    content = (folder / name).read_bytes()
    assert content.count(old) == 1
    (folder / name).write_bytes(content.replace(old, new))
    write_sums(folder)


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_a_kept_bundle_verifies_and_classifies(folder: Path) -> None:
    number = read_json(folder / CONFIG).get("bundle_format", 0)
    assert folder.name == f"format{number}"
    notes = [check.note for check in verify(folder) if check.name.startswith("bundle format")]
    told = f"the bundle has format {number}, this version writes {BUNDLE_FORMAT}: its texts were not compared"
    assert notes == ([] if number == BUNDLE_FORMAT else [told])
    assert set(Classifier(folder).labels.values()) == {"cat", "dog", "fox"}


@pytest.mark.slow
def test_the_kept_bundle_can_be_made_again(tmp_path: Path) -> None:
    again = Path(runpy.run_path(str(SCRIPT))["keep"](tmp_path / "again"))
    assert {path for path in files_below(again) if (again / path).read_bytes() != (KEPT[-1] / path).read_bytes()} <= {
        REPORT,
        SUMS,
    }
    assert sorted(files_below(again)) == sorted(files_below(KEPT[-1]))


def test_the_words_of_another_format_are_its_own(old: Path) -> None:
    rewritten(old, CARD, b"## Limits", b"## Bounds")
    assert FOREIGN in {check.name for check in verify(old)}


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda folder: rewritten(folder, CONFIG, b'"1": "dog"', b'"1": "cow"'), "contradict each other on id2label"),
        (lambda folder: (folder / CARD).write_text("other"), rf"{CARD} is altered"),
        (lambda folder: alter_weight(folder), "golden outputs"),
        (lambda folder: renumber(folder, 1), "README.md is not the card of config.json"),
        *(
            (lambda folder, number=number: renumber(folder, number), "bundle_format .*, and this version knows 0 to 1")
            for number in (2, -1, "0", None, True)
        ),
        (lambda folder: rename_in_graph(folder), r"model\.onnx and config\.json contradict each other on id2label"),
        (lambda folder: rewritten(folder, LABELS, b"dog", b"cow"), r"labels\.txt and config\.json contradict"),
    ],
    ids=["labels", "card without checksums", "weights", "number", *("no number",) * 5, "graph", "labels.txt"],
)
def test_what_is_altered_in_another_format_is_found(old: Path, alter: Callable[[Path], None], message: str) -> None:
    alter(old)
    with pytest.raises(VerificationError, match=message):
        verify(old)


def test_the_command_says_what_it_did_not_compare(old: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(old)])
    told = f"note: the bundle has format 0, this version writes {BUNDLE_FORMAT}: its texts were not compared"
    assert result.exit_code == 0 and told in " ".join(result.stderr.split())


def alter_weight(folder: Path) -> None:
    for name in (FOLDED, "dirac/model.safetensors"):
        checkpoint = Checkpoint.load(folder / name)
        checkpoint.state["fc.bias"][0] += 1
        checkpoint.save(folder / name)
    write_sums(folder)


def rename_in_graph(folder: Path) -> None:
    content = (folder / GRAPH).read_bytes()
    (folder / GRAPH).write_bytes(content.replace(b'"1": "dog"', b'"1": "cow"').replace(b'"dog": 1', b'"cow": 1'))
    write_sums(folder)


def renumber(folder: Path, number: object) -> None:
    write_json(folder / CONFIG, {**read_json(folder / CONFIG), "bundle_format": number})
    write_sums(folder)
