"""Runs test files in an environment, and counts what each of them says."""

from __future__ import annotations

import os
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.versions.environments import Environment

_NONE_CHOSEN = 5  # as in a folder whose tests are all slow
_ROOM = 2  # parts of its path
_SMALL = 20  # files, below which starting pytest would take longer than the tests
OUTCOMES = ("passed", "skipped", "failed")


def parts(tests: Sequence[str]) -> list[list[str]]:
    """Return test files and folders as files by room, so that a run that is interrupted keeps what it has.

    A room is a folder right below `tests`, with all that is in it; small ones share a part.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for path in map(Path, tests):
        if not path.exists():
            raise FileNotFoundError(f"there is no test file or folder {path}")
        for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            found.setdefault(file.parent.parts[:_ROOM], []).append(file.as_posix())
    rooms = [list(dict.fromkeys(files)) for files in found.values()]
    small = [file for files in rooms if len(files) < _SMALL for file in files]
    return [*(files for files in rooms if len(files) >= _SMALL), *([small] if small else [])]


def run(environment: Environment, tests: Sequence[str], processes: int) -> dict[str, dict[str, Any]]:
    """Run tests and return, for each of their files, how many passed, were skipped and failed, and when.

    Args:
        environment: one that was made.
        tests: files and folders.
        processes: how many run side by side.

    Raises:
        RuntimeError: pytest stopped before its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-p", "no:cacheprovider", "--numprocesses", str(processes), "--dist", "loadfile"]
        own = {
            "PYTHONPATH": str(Path.cwd()),
            "PATH": f"{environment.interpreter.parent.resolve()}{os.pathsep}{os.environ['PATH']}",
        }
        command = [str(environment.interpreter), "-m", "pytest", *options, f"--junit-xml={report}", *tests]
        status = subprocess.run(command, env={**os.environ, **own}, check=False).returncode  # noqa: S603
        if status == _NONE_CHOSEN:
            return {}
        if status not in (0, 1) or not report.is_file():
            raise RuntimeError(f"pytest stopped with status {status} in {environment.folder}; nothing was recorded")
        return count(report, datetime.now(timezone.utc).date().isoformat())


def count(report: Path, date: str) -> dict[str, dict[str, Any]]:
    """Return what a report of pytest in JUnit's form says about each file, and which tests failed."""
    files: dict[str, dict[str, Any]] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314
        name = case.get("classname") or case.get("name") or ""
        found = files.setdefault(_file(name), {**dict.fromkeys(OUTCOMES, 0), "date": date, "failures": []})
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found[outcome] += 1
        if outcome == "failed":
            found["failures"].append(case.get("name"))
    return files


def _file(name: str) -> str:
    """Return the path of a test module, whose parts may be followed by the name of a class."""
    parts = name.split(".")
    last = max((i for i, part in enumerate(parts) if part.startswith("test_")), default=len(parts) - 1)
    return "/".join(parts[: last + 1]) + ".py"
