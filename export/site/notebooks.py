"""The notebooks: executed, and made pages of the guide with what they print and draw.

A small part of what Jupyter does, so that building and testing need none of it: code, `!` for the shell, the value of a
cell's last line, Matplotlib's figures.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import multiprocessing
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cell:
    """A notebook's cell.

    Args:
        kind: "markdown" or "code".
        text: its source.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Output:
    """What a code cell gave.

    Args:
        text: what it printed, and the value of its last line.
        figures: its figures as SVG, each with a title.
    """

    text: str = ""
    figures: tuple[tuple[str, str], ...] = ()


def read_cells(path: Path) -> list[Cell]:
    """Return the cells of a notebook."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [Cell(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]]


def execute(path: Path, folder: Path) -> list[Output]:
    """Run a notebook in a process of its own, and return what its code cells gave, in order.

    Args:
        path: the notebook.
        folder: where it runs, with one thread. It may write below `../build`, as in a clone.

    Raises:
        ValueError: a cell failed; the message has the traceback.
    """
    codes = [cell.text for cell in read_cells(path) if cell.kind == "code"]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        outputs, failure = pool.apply(_run, (codes, str(folder)))
    if failure:
        raise ValueError(f"cell {len(outputs) + 1} of {path.name} failed:\n{failure}")
    return outputs


def _run(codes: Sequence[str], folder: str) -> tuple[list[Output], str]:
    os.chdir(folder)
    # Before anything imports PyTorch: on a busy machine several threads wait for each other.
    os.environ["OMP_NUM_THREADS"] = "1"
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "diracnet", "figure.dpi": 72})
    namespace: dict[str, Any] = {"__name__": "__main__", "_shell": _shell}
    outputs: list[Output] = []
    for code in codes:
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                value = _evaluate(code, namespace)
        except Exception:
            return outputs, printed.getvalue() + traceback.format_exc()
        shown = "" if value is None else f"{value!r}\n"
        outputs.append(Output(printed.getvalue() + shown, _figures()))
    return outputs, ""


def _evaluate(code: str, namespace: dict[str, Any]) -> Any:
    tree = ast.parse(re.sub(r"^!(.*)$", lambda found: f"_shell({found[1]!r})", code, flags=re.MULTILINE))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), namespace)  # noqa: S102  # a notebook of the repository
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)  # noqa: S307
    return None


def _shell(command: str) -> None:
    """Run a command, and write what it prints to where the cell prints; the interpreter's own commands come first."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(  # noqa: S602  # a notebook of the repository
        command, shell=True, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    sys.stdout.write(done.stdout)
    if done.returncode:
        raise RuntimeError(f"{command}\n{done.stderr}")


def _figures() -> tuple[tuple[str, str], ...]:
    from matplotlib import pyplot

    found = []
    for number in pyplot.get_fignums():
        figure = pyplot.figure(number)
        file = io.StringIO()
        figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
        titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
        found.append(("; ".join(title for title in titles if title), file.getvalue()))
    pyplot.close("all")
    return tuple(found)


def write_page(path: Path, outputs: Sequence[Output] | None, out: Path, mend: Callable[[str], str]) -> None:
    """Write a notebook's page, and the files of its figures next to it.

    Args:
        path: the notebook.
        outputs: what `execute` returned, or None for a page of the code alone.
        out: the page's file.
        mend: makes the links of Markdown fit.
    """
    parts = []
    given = iter(outputs or ())
    figures = 0
    for cell in read_cells(path):
        if cell.kind == "markdown":
            parts.append(mend(cell.text))
            continue
        parts.append(f"```python\n{cell.text.strip()}\n```")
        output = next(given, Output())
        if output.text.strip():
            parts.append(f"```text\n{output.text.rstrip()}\n```")
        for title, svg in output.figures:
            figures += 1
            name = f"{path.stem}-{figures}.svg"
            (out.parent / name).write_text(svg, encoding="utf-8")
            parts.append(f"![{title}]({name})")
    out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
