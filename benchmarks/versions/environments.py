"""Environments to run the suite in: a Python, and the lowest or the newest versions that setup.py allows."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.files import replace_file

EXTRA = "all"
PROJECTS = ("diracnet-zoo",)
"""What is tested, and therefore not counted among the packages that it is tested with."""


@dataclass(frozen=True)
class Environment:
    """A Python, and which versions of what setup.py requires are installed for it."""

    name: str
    python: str
    lowest: bool = False

    @property
    def folder(self) -> Path:
        """Where it is made, below the repository's root."""
        return Path("build") / "versions" / self.name

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


PYTHONS = ("3.10", "3.11", "3.12", "3.13")
ENVIRONMENTS: Mapping[str, Environment] = {
    one.name: one
    for one in (Environment("floors", PYTHONS[0], lowest=True), *(Environment(python, python) for python in PYTHONS))
}


def make(environment: Environment) -> dict[str, str]:
    """Make an environment, unless it was kept and is as it would be made, and return the version of each package.

    The packages are those that setup.py names; the lowest versions of all are installed at once. What those require in
    turn is as new as it may be, as pip would have it.

    Raises:
        RuntimeError: there is no such Python, or the versions exclude each other.
    """
    options = ["--quiet", "--no-annotate", "--no-header", "--python-version", environment.python, "--extra", EXTRA]
    resolution = "lowest-direct" if environment.lowest else "highest"
    chosen = uv("pip", "compile", *options, "--no-deps", "--resolution", resolution, "setup.py")
    named = environment.folder / "requirements.txt"
    packages = {line.partition("==")[0] for line in chosen.splitlines()}
    if named.exists() and named.read_text(encoding="utf-8") == chosen:
        return installed(environment, packages)
    uv("venv", "--quiet", "--clear", "--seed", "--python", environment.python, environment.folder)
    with replace_file(named) as temporary:  # which is there once everything is
        temporary.write_text(chosen, encoding="utf-8")
        exact: list[str | Path] = ["--constraint", temporary] if environment.lowest else []
        uv("pip", "install", "--quiet", "--python", environment.interpreter, *exact, "--editable", f".[{EXTRA}]")
    return installed(environment, packages)


def installed(environment: Environment, packages: set[str]) -> dict[str, str]:
    """Return the version of each of these packages in an environment."""
    listed = json.loads(uv("pip", "list", "--format", "json", "--python", environment.interpreter))
    return {one["name"]: one["version"] for one in listed if one["name"] in packages - set(PROJECTS)}


def uv(*arguments: str | Path) -> str:
    """Run uv and return what it prints; RuntimeError with its message if it fails."""
    if importlib.util.find_spec("uv") is None and shutil.which("uv") is None:
        raise RuntimeError("this needs uv: pip install 'diracnet-zoo[versions]'")
    command = [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else [str(shutil.which("uv"))]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(map(str, arguments[:2]))} failed: {done.stderr.strip()}")
    return done.stdout
