"""The README and the guides: their snippets run and print what the page says, and their links lead somewhere."""

import json
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from export.commands.full import app
from zoo.training.recipes import RECIPES

ROOT = Path(__file__).resolve().parent.parent
GUIDES = [ROOT / "docs" / f"{name}.md" for name in ("layers", "training", "export", "hub")]
PAGES = [ROOT / "README.md", *GUIDES]
LONG = ("export", "hub", "training")
"""Pages whose snippets take half a minute and more."""
INDEX = ROOT / "docs" / "README.md"
OTHERS = {"--force-reinstall", "--help", "--no-deps", "--nproc-per-node", "--signature"}
"""Flags of every command, of pip, of torchrun and of model_signing."""
PROGRAM = """
import contextlib, io, json, sys, traceback
from export.__main__ import main

sys.path.insert(0, "")
for language, text in json.load(sys.stdin):
    printed, status = io.StringIO(), 0
    with contextlib.redirect_stdout(printed):
        try:
            if language == "python":
                exec(compile(text, "snippet", "exec"), {"__name__": "__main__"})
            else:
                sys.argv = ["diracnet", *text]
                main()
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
            status = 1
    print(json.dumps([status, printed.getvalue()]), flush=True)
    if status:
        break
"""
"""Runs snippets one after the other, in one process, because importing PyTorch takes longer than most of them."""


class Block(NamedTuple):
    language: str
    text: str


class Step(NamedTuple):
    """Python code or a command's arguments, and what it prints, if the page shows that; … stands for anything."""

    language: str
    call: str | list[str]
    shown: str | None


def _blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)]


def _steps(page: Path) -> list[Step]:
    steps = []
    for block, following in pairwise([*_blocks(page), Block("", "")]):
        if block.language == "python":
            steps.append(Step("python", block.text, following.text if following.language == "text" else None))
        elif block.language in ("sh", "console"):
            prompt = "" if block.language == "sh" else r"\$ "
            calls = re.split(rf"^{prompt}diracnet (.*)\n", block.text, flags=re.MULTILINE)
            assert calls[0] == "", f"{page.name}: each snippet of the shell starts with a diracnet command"
            for command, shown in zip(calls[1::2], calls[2::2], strict=True):
                assert prompt or not shown, f"{page.name}: {shown!r} is no diracnet command"
                steps.append(Step("sh", shlex.split(command), shown if prompt else None))
    return steps


def _fits(shown: str, printed: str) -> bool:
    pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", shown.strip()))
    return re.fullmatch(pattern, printed.strip(), flags=re.DOTALL) is not None


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    (folder / "build").mkdir(parents=True)
    for name in ("pixels", "zoo", "export", "checkpoints", "docs", "tests", "hubconf.py"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page.stem in LONG else ()) for page in PAGES],
    ids=lambda page: page.stem,
)
def test_snippets_do_what_the_page_says(page: Path, clone: Path, hub_server) -> None:
    """One after the other in a folder like a clone, because some use what earlier ones wrote; the Hub is the tests'."""
    steps = _steps(page)
    assert steps
    hub_server.fail()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=clone,
        env=hub_server.environment(clone.parent / "home"),
        input=json.dumps([step[:2] for step in steps]),
        capture_output=True,
        text=True,
        check=False,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for step, (status, printed) in zip(steps, results, strict=False):
        assert status == 0, f"{step.call}\n{printed}\n{done.stderr[-3000:]}"
        if step.shown is not None:
            assert _fits(step.shown, printed), f"{step.call}\nprinted\n{printed[-3000:]}\nin place of\n{step.shown}"
    assert len(results) == len(steps), done.stderr[-3000:]


def test_an_ellipsis_stands_for_anything_and_nothing_else_does() -> None:
    assert _fits("a\n…\nd", "a\nb\nc\nd\n") and _fits("a … c\n", "a b c")
    assert not _fits("a\n…\nd", "a\nb\nd\ne") and not _fits("a.c", "abc") and not _fits("a", "")


LINKING = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("notebooks/*.ipynb"),
    ROOT / "checkpoints/README.md",
]


@pytest.mark.parametrize("page", sorted(LINKING), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_of_the_repository(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    assert links or page not in (*PAGES, INDEX, ROOT / "CONTRIBUTING.md")
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
    linked = {f"docs/{name}" for name in re.findall(r"\]\((\w+\.md)\)", INDEX.read_text(encoding="utf-8"))}
    pages = {f"docs/{path.name}" for path in INDEX.parent.glob("*.md") if path != INDEX}
    assert linked == pages


def flags_by_command() -> dict[str, set[str]]:
    command = typer.main.get_command(app)
    context = command.make_context("diracnet", [], resilient_parsing=True)
    commands = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return {
        name: {"--help", *(flag for option in each.params for flag in (*option.opts, *option.secondary_opts))}
        for name, each in commands.items()
    }


def test_commands_on_pages_have_the_flags_they_are_called_with() -> None:
    known, calls = flags_by_command(), 0
    for page in LINKING:
        code = re.findall(r"```.*?```|`[^`\n]+`", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for line in "\n".join(code).replace("\\\n", " ").splitlines():
            called = re.search(r"\bdiracnet ([a-z][a-z-]+)( [^|#]*)?", line)
            if called and called[1] in known:
                flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", called[2] or ""))
                assert flags <= known[called[1]], f"{page.name}: {line}"
                calls += bool(flags)
    assert calls > 30


def test_flags_that_pages_name_exist() -> None:
    known = set().union(*flags_by_command().values())
    named = set()
    for page in PAGES:
        code = "\n".join(re.findall(r"`+[^`]+`+", page.read_text(encoding="utf-8")))
        named |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code)) - OTHERS
    assert len(named) > 20
    assert not named - known


def test_files_that_contributors_are_sent_to_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:pixels|zoo|export|benchmarks|docs|tests|runtimes)/[\w/.-]*)`", text))
    assert len(named) > 25
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_rooms_are_those_that_contributors_are_told_of() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `((?:zoo|export)/\w+)/` \|", text, flags=re.MULTILINE))
    rooms = {path.parent for name in ("zoo", "export") for path in (ROOT / name).glob("*/__init__.py")}
    assert told == {str(room.relative_to(ROOT)) for room in rooms}


def test_the_recipes_are_those_of_the_guide() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8").split("## Recipes")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, flags=re.MULTILINE)) == set(RECIPES)
