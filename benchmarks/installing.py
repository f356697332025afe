"""`python -m benchmarks.installing`: what each way to install takes; writes docs/installing.json and README's table.

Sizes are those of the files of the required packages in the environment that runs this, plus pip's and our own; nothing
is downloaded. All modules are compiled first, which is how pip leaves them unless it is told otherwise, as `make` tells
it. On Linux PyTorch comes with its libraries for NVIDIA's graphics cards.
"""

from __future__ import annotations

import compileall
import platform
import re
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zoo.files import read_json, write_json

RECORD, README = Path("docs/installing.json"), Path("README.md")
BEGIN, END = "<!-- Written by `python -m benchmarks.installing`: -->\n\n", "\n\n<!-- Until here: ways to install. -->"
OWN = ("pixels", "zoo", "export", "checkpoints/*/*/manifest.json")
RUNTIME = ("numpy", "onnxruntime", "pillow")
WAYS = (
    ("answers from exported files, without PyTorch", "pip install ./distributions/runtime", RUNTIME),
    ("nets, layers, folding, export", "pip install -e '.[export]'", ("diracnet-zoo[export]",)),
    ("training, signing, the tests", "pip install -e '.[all]'", ("diracnet-zoo[all]",)),
)
"""What for, the command, and what it requires."""


def main() -> None:
    """Measure, and write both files."""
    compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)
    megabytes = [round(size([*requirements, "pip"]) / 1e6) for _, _, requirements in WAYS]
    system = f"{platform.system()}, Python {platform.python_version()}, torch {distribution('torch').version}"
    write_json(RECORD, {"megabytes": megabytes, "system": system})
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    README.write_text(f"{before}{BEGIN}{table(read_json(RECORD))}{END}{rest.split(END)[1]}", encoding="utf-8")


def table(record: dict[str, Any]) -> str:
    """Return the README's table."""
    rows = ["| for | in a clone | takes |", "|---|---|---|"]
    for (purpose, command, _), size in zip(WAYS, record["megabytes"], strict=True):
        rows.append(f"| {purpose} | `{command}` | {f'{size} MB' if size < 1000 else f'{size / 1000:.1f} GB'} |")
    return "\n".join(rows)


def size(requirements: Iterable[str]) -> int:
    """Return the bytes of all packages that requirements bring, ourselves included."""
    files = {file for found in closure(requirements) for file in _files(found)}
    own = {path for pattern in OWN for path in Path().glob(pattern)}
    files |= {file for path in own for file in ([path] if path.is_file() else path.rglob("*.py"))}
    return sum(file.stat().st_size for file in files)


def closure(requirements: Iterable[str]) -> Iterator[Distribution]:
    """Yield the installed packages that requirements bring, directly or not."""
    left = [Requirement(each) for each in requirements]
    seen: set[tuple[str, str]] = set()
    while left:
        wanted = left.pop()
        found = distribution(wanted.name)
        for extra in ("", *wanted.extras):
            if (canonicalize_name(wanted.name), extra) in seen:
                continue
            seen.add((canonicalize_name(wanted.name), extra))
            needed = [Requirement(each) for each in found.requires or ()]
            left += [each for each in needed if each.marker is None or each.marker.evaluate({"extra": extra})]
        yield found


def _files(found: Distribution) -> Iterator[Path]:
    for file in found.files or ():
        path = Path(str(found.locate_file(file))).resolve()
        if path.is_file() and not re.match(r"__editable__|diracnet", path.name):
            yield path
            if path.suffix == ".py" and (compiled := Path(cache_from_source(path))).is_file():
                yield compiled


if __name__ == "__main__":
    main()
