"""The README: short, its figures are those of the manifests, its picture is drawn from the shipped weights."""

import re
import runpy
from pathlib import Path

import pytest
import torch
from PIL import Image

import export
import zoo
from benchmarks import installing
from zoo.files import read_json
from zoo.weights.record import all_weights

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SHIPPED = [record for record in all_weights().values() if record.folder is not None]


def test_it_is_read_in_two_minutes() -> None:
    assert len(TEXT.splitlines()) <= 120
    first = TEXT[: TEXT.index("## Weights")]
    assert "<picture>" in first and "```python" in first and "```text" in first


def test_the_table_of_weights_is_that_of_the_manifests() -> None:
    expected = []
    for record in SHIPPED:
        with torch.device("meta"):
            parameters = zoo.count_parameters(record.spec)
        top1, epochs = f"{record.metrics['top1']:.2f}%", str(record.recipe["epochs"])
        cells = (f"`{record.model}`", f"`{record.tag}`", record.dataset, epochs, top1)
        expected.append(f"| {' | '.join(cells)} | {parameters:,} |")
        assert record.provenance["measured"] == "last epoch, no test-time augmentation, 10000 test pictures"
    rows = re.findall(r"^\| `diracnet.*$", TEXT, flags=re.MULTILINE)
    assert rows == expected


def test_the_table_of_ways_to_install_is_that_of_the_record() -> None:
    record = read_json(ROOT / "docs" / "installing.json")
    assert f"{installing.BEGIN}{installing.table(record)}{installing.END}" in TEXT
    runtime, *others = record["megabytes"]
    assert runtime < 220 < min(others)


def test_its_counts_are_those_of_the_registry() -> None:
    assert f"{len(zoo.list_models())} named nets" in TEXT
    assert len(SHIPPED) == 6 and "The six trained nets" in TEXT
    assert all(record.repository is None for record in SHIPPED) == ("nor are the nets on the Hub" in TEXT)


def test_what_it_says_beside_resnets_is_in_the_report() -> None:
    report = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `([^`]+)` \| [\d.]+% \| ResNet-\S+ \| [\d.]+% \| (\S+) \| (yes|no) \|", report, re.MULTILINE
    )
    assert {name for name, *_ in rows} == {f"{record.model}:{record.tag}" for record in SHIPPED}
    words = " ".join(TEXT.split())
    below = re.findall(r"`([^`]+)` is (\d\.\d\d) points below", words)
    assert below == [(name, gap.removeprefix("-")) for name, gap, level in rows if level == "no"]
    assert sum(gap.startswith("+") for _, gap, _ in rows) == len(rows) - len(below) == 4
    assert "trained for as many epochs by the same teacher, if any: four are ahead of it," in words


def test_the_drawn_kernels_add_up_and_match_the_net() -> None:
    pytest.importorskip("matplotlib")
    drawn = runpy.run_path(str(ROOT / "docs" / "pictures" / "draw.py"))
    net = zoo.get_model(drawn["NAME"], weights=drawn["TAG"]).requires_grad_(False)
    plain = export.fold(net)
    parts = drawn["kernel"](net, plain)
    torch.testing.assert_close(parts.identity + parts.learned, parts.composed)
    norm = net.get_submodule(f"{drawn['LAYER']}.bn")
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).view(-1, 1, 1, 1)
    torch.testing.assert_close(parts.composed * scale, parts.folded)
    # Row and column of a weight: its output and input channel; within the cell its tap.
    assert drawn["mosaic"](parts.folded)[3 * 5 + 1, 3 * 7 + 2] == parts.folded[5, 7, 1, 2]


def test_the_picture_is_there_for_both_backgrounds_and_drawn_from_the_shipped_weights() -> None:
    files = re.findall(r"docs/pictures/[\w-]+\.png", TEXT)
    assert len(set(files)) == 2
    for file in files:
        with Image.open(ROOT / file) as picture:
            digest = zoo.get_weight("diracnet16_cifar", "cifar10").files["dirac"].sha256
            assert picture.text["Source"] == f"diracnet16_cifar:cifar10, sha256 {digest}"
            assert picture.mode == "RGBA" and picture.getpixel((0, 0))[3] == 0  # the page shows through
