"""The README and the guides: their snippets run and print what the page says, and their links lead somewhere."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDES = sorted(path for path in (ROOT / "docs").glob("*.md") if not path.with_suffix(".json").exists())
PAGES = [ROOT / "README.md", *(page for page in GUIDES if page.stem not in ("README", "paper"))]
PENDING = ("--precision all", "--precision int8", "Checkpoint.from_model", "export.verify(", "me/cats-dogs-foxes --out")
"""What snippets show that the code cannot do yet. One that works must be taken off the list."""


class Block(NamedTuple):
    language: str
    text: str


class Step(NamedTuple):
    """One process: Python code, or a command, and the lines it must print, if the page shows them; … stands for any."""

    arguments: list[str]
    shown: str | None
    pending: bool


def _blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)]


def _steps(page: Path) -> list[Step]:
    steps = []
    for block, following in pairwise([*_blocks(page), Block("", "")]):
        pending = any(text in block.text for text in PENDING)
        if block.language == "python":
            shown = following.text if following.language == "text" else None
            steps.append(Step(["-c", block.text], shown, pending))
        elif block.language in ("sh", "console"):
            prompt = "" if block.language == "sh" else r"\$ "
            calls = re.split(rf"^{prompt}diracnet (.*)\n", block.text, flags=re.MULTILINE)
            assert calls[0] == "", f"{page.name}: each snippet of the shell starts with a diracnet command"
            for command, shown in zip(calls[1::2], calls[2::2], strict=True):
                assert prompt or not shown, f"{page.name}: {shown!r} is no diracnet command"
                arguments = ["-m", "export", *shlex.split(command)]
                steps.append(Step(arguments, shown if prompt else None, any(text in command for text in PENDING)))
    return steps


def _fits(shown: str, printed: str) -> bool:
    pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", shown.strip()))
    return re.fullmatch(pattern, printed.strip(), flags=re.DOTALL) is not None


@pytest.fixture
def run(tmp_path: Path, hub_server) -> Callable[[list[str]], subprocess.CompletedProcess]:
    """Runs Python in a folder like a clone, where snippets find what earlier ones wrote; the Hub is the tests'."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "build").mkdir()
    for name in ("pixels", "zoo", "export", "checkpoints", "docs", "tests", "hubconf.py"):
        (clone / name).symlink_to(ROOT / name)
    hub_server.fail()
    environment = hub_server.environment(tmp_path / "home")

    def call(arguments: list[str]) -> subprocess.CompletedProcess:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)

    return call


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets_do_what_the_page_says(page: Path, run: Callable[[list[str]], subprocess.CompletedProcess]) -> None:
    """One after the other, each in a process of its own."""
    steps = _steps(page)
    assert steps
    for step in steps:
        done = run(step.arguments)
        right = done.returncode == 0 and (step.shown is None or _fits(step.shown, done.stdout))
        what = f"{step.arguments[-1] if step.arguments[0] == '-c' else step.arguments}"
        if step.pending:
            assert not right, f"{what} works now: take it off PENDING"
        else:
            assert right, f"{what}\nended with {done.returncode} and printed\n{done.stdout[-2000:]}\n{done.stderr}"


def test_an_ellipsis_stands_for_anything_and_nothing_else_does() -> None:
    assert _fits("a\n…\nd", "a\nb\nc\nd\n") and _fits("a … c\n", "a b c")
    assert not _fits("a\n…\nd", "a\nb\nd\ne") and not _fits("a.c", "abc") and not _fits("a", "")


@pytest.mark.parametrize("page", [*PAGES, *GUIDES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings_of_the_repository(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    assert links
    for target in (link or source for link, source in links):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name} leads to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in headings}, target


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == {path.name for path in (ROOT / "docs").glob("*.md")} - {
        "README.md"
    }
