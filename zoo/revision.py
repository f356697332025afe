"""Which commit of the repository this code is: asked of Git in a clone, written down in archives and in wheels.

GitHub writes the commit into `checkpoints/COMMIT` of its archives (`.gitattributes`), and `distributions/parts.py` into
that of a wheel. Imports the standard library alone: packaging runs this file too.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COMMIT = "COMMIT"
_MODIFIED = " modified"
_PACKAGE = Path(__file__).resolve().parent
_CODE = ("checkpoints", "export", "pixels", "zoo")
"""What decides the bytes of a bundle; the rest of a clone may be changed."""


@dataclass(frozen=True)
class Revision:
    """A version of the code.

    Args:
        commit: the commit, 40 hexadecimal digits; None if it is not known.
        modified: whether files that decide what is computed differ from that commit.
    """

    commit: str | None = None
    modified: bool = False

    @classmethod
    def read(cls, path: Path) -> Revision:
        """Return what a file says that `write` or Git wrote; without a commit if there is none or it says none."""
        text = path.read_text(encoding="ascii", errors="replace").strip() if path.is_file() else ""
        found = re.fullmatch(rf"([0-9a-f]{{40}})({_MODIFIED})?", text)
        return cls(found[1], found[2] is not None) if found else cls()

    def write(self, path: Path) -> None:
        """Write a file that `read` reads, if the commit is known."""
        if self.commit is not None:
            path.write_text(f"{self.commit}{_MODIFIED if self.modified else ''}\n", encoding="ascii")


def of_source(root: Path) -> Revision:
    """Return the version of a clone or of an unpacked archive.

    Args:
        root: its folder. A clone that Git cannot read, or no Git, gives a version without a commit.

    Example:
        >>> of_source(Path("/nonexistent"))
        Revision(commit=None, modified=False)
    """
    if not (root / ".git").exists():
        return Revision.read(root / "checkpoints" / COMMIT)
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", *_CODE)
    return Revision() if commit is None or changes is None else Revision(commit, bool(changes))


@cache
def own() -> Revision:
    """Return the version of the code that is running; found once."""
    if (_PACKAGE.parent / "hubconf.py").is_file():
        return of_source(_PACKAGE.parent)
    return Revision.read(_PACKAGE / "checkpoints" / COMMIT)


def _git(root: Path, *arguments: str) -> str | None:
    """Return what Git prints; None if it fails. It runs no program that the clone's configuration names."""
    # A hook that calls us sets GIT_DIR and others, which would lead to another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(root), "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(  # noqa: S603 (the arguments are ours)
            command,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
