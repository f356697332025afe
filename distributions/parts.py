"""Which modules belong to which distribution, when the two are built apart; in a clone they are installed as one.

`diracnet-runtime` has what inference without PyTorch takes, `diracnet-zoo` all the rest. No module is in both.
"""

from __future__ import annotations

import runpy
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

_ROOT = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"
# OWNER: the account that holds the code; zoo/cards/template.py, README.md and CITATION.cff name the same address.
URLS = {"Code": "https://github.com/OWNER/diracnet-zoo", "Paper": "https://arxiv.org/abs/1706.00388"}
CLASSIFIERS = [
    "Programming Language :: Python :: 3",
    # Those that `make pythons` tries.
    *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
    "Topic :: Scientific/Engineering :: Image Recognition",
    "Typing :: Typed",
]
RUNTIME = (
    "pixels.*",
    *("export.__init__", "export.__main__", "export.layout", "export.runtime.*"),
    *("export.commands.__init__", "export.commands.alone", "export.commands.answering", "export.commands.predict"),
    *("zoo.__init__", "zoo.command_line", "zoo.description", "zoo.errors", "zoo.files", "zoo.labels", "zoo.lacking"),
    *("zoo.layout", "zoo.preprocessing", "zoo.printing", "zoo.schema"),
    *("zoo.commands.__init__", "zoo.commands.completion", "zoo.commands.declare", "zoo.commands.options"),
    *("zoo.weights.__init__", "zoo.weights.etag", "zoo.weights.hub", "zoo.weights.reference"),
)
"""Modules of diracnet-runtime. Together they import nothing of the project but each other."""


class Recorded(build_py):  # type: ignore[misc]  # setuptools has no types
    """Writes into a wheel which commit it is made of, where that is known."""

    def run(self) -> None:
        """Build, then write the commit."""
        # setuptools never empties its folder, and modules that are gone would be installed for ever.
        if not self.editable_mode:
            for name in {package.partition(".")[0] for package in self.packages}:
                shutil.rmtree(Path(self.build_lib, name), ignore_errors=True)
        super().run()
        manifests = Path(self.build_lib, "zoo", "checkpoints")
        if manifests.is_dir() and not self.editable_mode:
            write_commit(manifests)


class Sources(sdist):  # type: ignore[misc]  # setuptools has no types
    """Writes into an archive of sources which commit it is of, for the wheels that are built from it."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Copy the files, then write the commit."""
        super().make_release_tree(base_dir, files)
        for written in Path(base_dir, "checkpoints").glob("COMMIT"):
            written.unlink()  # perhaps a link to the one in the clone
            shutil.copyfile(_ROOT / "checkpoints" / written.name, written)
        write_commit(Path(base_dir, "checkpoints"))


class Runtime(Recorded):
    """Takes the modules of diracnet-runtime."""

    wanted = True

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Return those modules of a package that belong to this distribution, as (package, module, file)."""
        found: list[tuple[str, str, str]] = super().find_package_modules(package, package_dir)
        return [each for each in found if in_runtime(f"{each[0]}.{each[1]}") == self.wanted]


class Zoo(Runtime):
    """Takes all other modules."""

    wanted = False


def write_commit(checkpoints: Path) -> None:
    """Write into a folder of manifests which commit this code is, if that is known."""
    code = runpy.run_path(str(_ROOT / "zoo" / "revision.py"))
    code["of_source"](_ROOT).write(checkpoints / code["COMMIT"])


def in_runtime(module: str) -> bool:
    """Tell whether a module belongs to diracnet-runtime; that of a package itself is called `__init__`.

    Example:
        >>> in_runtime("export.runtime.classifier"), in_runtime("export.folding.fold")
        (True, False)
    """
    return any(fnmatchcase(module, pattern) for pattern in RUNTIME)
