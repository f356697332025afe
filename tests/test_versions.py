"""The versions that setup.py claims are those with which the suite was run, and the page says what the record says."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import setuptools

from benchmarks.versions.__main__ import add, left
from benchmarks.versions.environments import ENVIRONMENTS, EXTRA, PYTHONS
from benchmarks.versions.page import page
from benchmarks.versions.suite import count, parts

ROOT = Path(__file__).resolve().parent.parent
RESULT = json.loads((ROOT / "docs" / "versions.json").read_text(encoding="utf-8"))


@pytest.fixture
def packaging(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py tells setuptools."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: told.update(given))
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    return told


def test_the_page_is_made_of_the_record() -> None:
    assert (ROOT / "docs" / "versions.md").read_text(encoding="utf-8") == page(RESULT)


def test_the_floors_that_were_tried_are_those_of_setup_py(packaging: dict[str, Any]) -> None:
    tried = RESULT["environments"]["floors"]["versions"]
    claimed = [*packaging["install_requires"], *packaging["extras_require"][EXTRA]]
    floors = dict(found.groups() for one in claimed if (found := re.match(r"([A-Za-z0-9._-]+)>=([0-9a-z.]+)", one)))
    assert floors.keys() <= tried.keys(), "new requirements: run `make floors`"
    # The lowest release of 1.0 may be called 1.0.3.
    other = {name: tried[name] for name, floor in floors.items() if not f"{tried[name]}.".startswith(f"{floor}.")}
    assert not other, "the floors of setup.py were never tried: run `make floors`"


def test_setup_py_names_the_pythons_that_are_tried(packaging: dict[str, Any]) -> None:
    prefix = "Programming Language :: Python :: 3."
    named = [one.removeprefix(prefix[:-2]) for one in packaging["classifiers"] if one.startswith(prefix)]
    assert tuple(named) == PYTHONS
    assert packaging["python_requires"] == f">={PYTHONS[0]}"
    target = re.search(r"^pythons:.*\n(?:\t.*\n)*?\t.* run ([0-9. ]+) ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert target and tuple(target.group(1).split()) == PYTHONS


def test_the_record_is_of_environments_that_there_are() -> None:
    for name, found in RESULT["environments"].items():
        assert re.match(rf"{ENVIRONMENTS[name].python}\b", found["python"])
        assert found["files"] and found["versions"]


def test_tests_are_run_room_by_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    zoo, rest = parts(["tests/pixels", "tests/zoo/nets/test_conv.py", "tests/test_versions.py", "tests/zoo"])
    assert zoo[0] == "tests/zoo/nets/test_conv.py" and len(zoo) == len(set(zoo))
    assert {Path(file).parent.name for file in zoo} > {"nets", "training"}
    assert {Path(file).parent.name for file in rest} == {"pixels", "tests"}
    assert {file for files in parts(["tests"]) for file in files} >= {*zoo, *rest}
    with pytest.raises(FileNotFoundError, match="no test file or folder tests/none"):
        parts(["tests/none"])


SUITE = """
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_numbers(n):
    assert n == 1

class TestClass:
    def test_skips(self):
        pytest.skip("not here")

@pytest.fixture
def broken():
    raise ValueError

def test_error(broken):
    pass
"""


def test_what_is_counted(tmp_path: Path) -> None:
    (tmp_path / "tests" / "room").mkdir(parents=True)
    for name in ("tests/test_one.py", "tests/room/test_two.py"):
        (tmp_path / name).write_text(SUITE, encoding="utf-8")
    (tmp_path / "tests" / "test_broken.py").write_text("import nothing_of_the_name\n", encoding="utf-8")
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--continue-on-collection-errors"]
    command = [sys.executable, "-m", "pytest", *options, "--junit-xml=report.xml", "tests"]
    assert subprocess.run(command, cwd=tmp_path, check=False, stdout=subprocess.DEVNULL).returncode == 1
    files = count(tmp_path / "report.xml", "2026-01-01")
    one = {"passed": 1, "skipped": 1, "failed": 2, "date": "2026-01-01", "failures": ["test_numbers[2]", "test_error"]}
    assert files["tests/test_one.py"] == files["tests/room/test_two.py"] == one
    assert files["tests/test_broken.py"]["failed"] == 1


def test_results_are_kept_as_long_as_the_versions_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tests").mkdir()
    for name in ("a", "b"):
        Path("tests", f"test_{name}.py").touch()
    found = {"passed": 3, "skipped": 0, "failed": 0, "date": "2026-01-01", "failures": []}
    record = tmp_path / "versions.json"

    def files() -> set[str]:
        return set(json.loads(record.read_text(encoding="utf-8"))["environments"]["3.12"]["files"])

    add("3.12", "3.12", {"torch": "2"}, {"tests/test_a.py": found}, record)
    add("3.12", "3.12", {"torch": "2"}, {"tests/test_b.py": found, "tests/test_gone.py": found}, record)
    assert files() == {"tests/test_a.py", "tests/test_b.py"}
    both = ["tests/test_a.py", "tests/test_b.py"]
    assert left("3.12", {"torch": "2"}, both, record) == []
    assert left("3.12", {"torch": "3"}, both, record) == left("3.13", {"torch": "2"}, both, record) == both
    add("3.12", "3.12", {"torch": "2"}, {"tests/test_b.py": {**found, "failed": 1, "failures": ["test"]}}, record)
    assert left("3.12", {"torch": "2"}, both, record) == ["tests/test_b.py"]
    add("3.12", "3.12", {"torch": "3"}, {"tests/test_b.py": found}, record)
    assert files() == {"tests/test_b.py"}
    assert "1 of 2" in record.with_suffix(".md").read_text(encoding="utf-8")
