"""Run the suite in environments of their own, and write docs/versions.json and docs/versions.md.

`python -m benchmarks.versions run NAME… [--tests PATH]… [--lacking] [--keep]`, `python -m benchmarks.versions page`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.report import write_report
from benchmarks.versions import suite
from benchmarks.versions.environments import ENVIRONMENTS, make
from benchmarks.versions.page import page as text
from zoo.command_line import run as run_command
from zoo.files import read_json

app = typer.Typer(add_completion=False, help=__doc__)
RECORD = Path("docs") / "versions.json"


@app.command()
def run(
    names: Annotated[list[str], typer.Argument(help=f"Any of {', '.join(ENVIRONMENTS)}.")],
    tests: Annotated[list[str] | None, typer.Option(help="Test file or folder; repeatable. All by default.")] = None,
    processes: Annotated[int, typer.Option(min=0, help="Test processes side by side; 0: none but this one.")] = 2,
    keep: Annotated[bool, typer.Option(help="Keep the environment, of several GB, for the next run.")] = False,
    lacking: Annotated[bool, typer.Option(help="Leave out files that passed with the same versions.")] = False,
) -> None:
    """Make environments, run tests in each, and record what every test file says, folder by folder."""
    unknown = [name for name in names if name not in ENVIRONMENTS]
    if unknown:
        raise ValueError(f"no environment is named {unknown[0]!r}; there are {', '.join(ENVIRONMENTS)}")
    for name in names:
        environment = ENVIRONMENTS[name]
        versions = make(environment)
        for part in suite.parts(tests or ["tests"]):
            if files := left(name, versions, part) if lacking else part:
                add(name, environment.python, versions, suite.run(environment, files, processes))
        if not keep:
            shutil.rmtree(environment.folder)


@app.command()
def page() -> None:
    """Write the page again from its record."""
    write_report(RECORD, read_json(RECORD), text)


def left(name: str, versions: dict[str, str], files: list[str], record: Path = RECORD) -> list[str]:
    """Return the test files that were not run with these versions, or in which a test failed."""
    earlier = _earlier(_read(record), name, versions)
    return [file for file in files if file not in earlier or earlier[file]["failed"]]


def add(name: str, python: str, versions: dict[str, str], files: dict[str, Any], record: Path = RECORD) -> None:
    """Add what files say to a record and write its page. What was found with other versions is dropped."""
    result = _read(record)
    earlier = _earlier(result, name, versions)
    there = {path.as_posix() for path in Path("tests").rglob("test_*.py")}
    kept = {file: counts for file, counts in {**earlier, **files}.items() if file in there}
    environments = {**result["environments"], name: {"python": python, "versions": versions, "files": kept}}
    ordered = {each: environments[each] for each in ENVIRONMENTS if each in environments}
    write_report(record, {"environments": ordered, "files": len(there)}, text)


def _read(record: Path) -> dict[str, Any]:
    return dict(read_json(record)) if record.exists() else {"environments": {}}


def _earlier(result: dict[str, Any], name: str, versions: dict[str, str]) -> dict[str, Any]:
    known = result["environments"].get(name, {})
    return dict(known.get("files", {})) if known.get("versions") == versions else {}


if __name__ == "__main__":
    run_command(app)
