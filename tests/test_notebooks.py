"""The notebooks: kept without outputs, of public names alone, and they run."""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest

from export.site.notebooks import Output, execute, read_cells, write_page

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OURS = {"export", "export.runtime", "pixels", "zoo"}


def notebook(folder: Path, *cells: tuple[str, str]) -> Path:
    content = [{"cell_type": kind, "source": text.splitlines(keepends=True)} for kind, text in cells]
    (folder / "one.ipynb").write_text(json.dumps({"cells": content}))
    return folder / "one.ipynb"


def test_there_are_three() -> None:
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    content = json.loads(text)
    assert text == json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in content["cells"]]
    assert len(ids) == len(set(ids))
    assert content["cells"][0]["source"][0].startswith("# ")
    for cell in content["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"] == [] and cell["execution_count"] is None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_uses_public_names_alone(path: Path) -> None:
    code = "\n".join(cell.text for cell in read_cells(path) if cell.kind == "code")
    for node in ast.walk(ast.parse(re.sub("^!.*$", "", code, flags=re.MULTILINE))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name.partition(".")[0] not in OURS or alias.name in OURS
        elif isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in OURS:
            assert {alias.name for alias in node.names} <= set(importlib.import_module(node.module).__all__)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in OURS:
            assert node.attr in importlib.import_module(node.value.id).__all__


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path) -> None:
    for name in ("docs", "checkpoints"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "build").mkdir()
    outputs = execute(path, tmp_path / "notebooks")
    assert sum(len(output.figures) for output in outputs) >= 2
    assert all(title for output in outputs for title, _ in output.figures)
    if path.stem == "alpha_and_beta":  # which says so
        most, least = re.findall(r"([\d.]+)% of the answers stay", "".join(output.text for output in outputs))
        assert float(most) > 50 and float(least) < 5


def test_a_cell_gives_what_it_prints_its_last_value_and_its_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('a line')\nplt.show()"
    path = notebook(tmp_path, ("markdown", "# One"), ("code", "a = 3\nprint(a)\n!echo hello\na + 1"), ("code", draw))
    first, second = execute(path, tmp_path)
    assert first == Output("3\nhello\n4\n")
    ((title, svg),) = second.figures
    assert title == "a line" and svg.startswith("<?xml") and second.text == ""
    write_page(path, [first, second], tmp_path / "one.md", str.upper)
    page = (tmp_path / "one.md").read_text()
    assert page.startswith("# ONE\n\n```python\na = 3") and "```text\n3\nhello\n4\n```" in page
    assert page.endswith("![a line](one-1.svg)\n") and (tmp_path / "one-1.svg").read_text() == svg


@pytest.mark.parametrize("code", ["1 / 0", "!python -c 'import sys; sys.exit(\"ZeroDivisionError\")'"])
def test_a_cell_that_fails_is_named(code: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match=r"(?s)cell 2 of one.ipynb failed.*ZeroDivisionError"):
        execute(notebook(tmp_path, ("code", "a = 1"), ("code", code)), tmp_path)
