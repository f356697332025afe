"""The guide: the repository's Markdown, laid out for Zensical, with a page of the reference for each public module.

The pages lie as in the repository, so that their links lead where they do on GitHub. A link to a file that is no page
leads to the code, if its address is known, and is text otherwise.
"""

from __future__ import annotations

import importlib
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from export.site.links import check_links, forbid_foreign
from export.site.notebooks import execute, write_page
from zoo.command_line import run as run_command
from zoo.files import new_folder
from zoo.printing import say, status

PAGES = (
    *("README.md", "MODEL_CARD.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *("docs/**/*.md", "export/*/README.md"),
)
"""The pages, below the repository's root."""
NOTEBOOKS = "notebooks/*.ipynb"
MODULES = ("zoo", "export", "export.runtime", "pixels")
"""The modules whose public names are the reference."""
DOORS = ("zoo.timm", "zoo.torchvision")
"""Modules that are imported for what they do to another library; their own docstring is all that is told."""
ASSETS = (".json", ".png", ".jpg")
"""Files below `docs/` that pages may show or lead to; they are taken along."""
_FENCE = re.compile(r"(^```.*?^```$)", flags=re.DOTALL | re.MULTILINE)
_FOREIGN = re.compile(r"\[?!\[[^\]]*\]\(https?://[^)]*\)(?:\]\([^)]*\))?")
_LINK = re.compile(r"(!?)\[((?:`[^`]*`|[^\[\]`])*)\]\(([^)\s]+)\)")
_PICTURE = re.compile(r'<picture>\s*<source[^>]*srcset="([^"]+)">\s*<img src="([^"]+)" alt="([^"]+)">\s*</picture>')


class Sources:
    """The repository's pages, as the guide wants them.

    Args:
        root: the repository's root.
        code: the address of the code, such as "https://github.com/me/diracnet-zoo".
    """

    def __init__(self, root: Path, code: str | None = None) -> None:
        self.root, self.code = root, code
        self.notebooks = sorted(path.relative_to(root).as_posix() for path in root.glob(NOTEBOOKS))
        self.pages = sorted({path.relative_to(root).as_posix() for name in PAGES for path in root.glob(name)})
        self.assets: set[str] = set()

    def write(self, out: Path, *, run: bool = True) -> None:
        """Write all pages, and the files that they show or lead to, below a folder.

        Args:
            out: the folder.
            run: whether notebooks are executed, so that their pages have what they print and draw.

        Raises:
            ValueError: a link leads to nothing, or a notebook's cell failed.
        """
        for notebook in self.notebooks:
            file, target = self.root / notebook, out / place(notebook)
            target.parent.mkdir(parents=True, exist_ok=True)
            outputs = execute(file, file.parent) if run else None
            write_page(file, outputs, target, partial(self.page, notebook))
            shutil.copyfile(file, out / notebook)
        for page in self.pages:
            target = out / place(page)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.page(page, (self.root / page).read_text(encoding="utf-8")), encoding="utf-8")
        for asset in self.assets:
            (out / asset).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / asset, out / asset)
        (out / "reference").mkdir()
        for module in (*MODULES, *DOORS):
            (out / "reference" / f"{module}.md").write_text(reference(module), encoding="utf-8")

    def page(self, page: str, text: str) -> str:
        """Return a page's text with its links and pictures made fit.

        Raises:
            ValueError: a link leads to nothing.
        """
        parts = _FENCE.split(text)
        return "".join(part if part.startswith("```") else self._mend(page, part) for part in parts)

    def _mend(self, page: str, text: str) -> str:
        text = _FOREIGN.sub("", text)
        text = _PICTURE.sub(lambda found: self._both(page, found), text)
        return _LINK.sub(lambda found: self._link(page, found), text)

    def _both(self, page: str, found: re.Match[str]) -> str:
        """A picture for light and one for dark: the reader may choose otherwise than the system does."""
        dark, light, words = found.groups()
        for source in (dark, light):
            self._take(page, source)
        alike = " ".join(words.split())
        return f'<img src="{light}#only-light" alt="{alike}"><img src="{dark}#only-dark" alt="{alike}">'

    def _link(self, page: str, found: re.Match[str]) -> str:
        mark, text, target = found.groups()
        if re.match(r"https?://|#", target):
            return found[0]
        path, _, anchor = target.partition("#")
        file = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
        if file in self.pages or file in self.notebooks:
            way = posixpath.relpath(place(file), posixpath.dirname(place(page)) or ".")
            return f"[{text}]({way}{f'#{anchor}' if anchor else ''})"
        if file.startswith("docs/") and file.endswith(ASSETS):
            self._take(page, path)
            return found[0]
        if not (self.root / file).exists():
            raise ValueError(f"{page} leads to {target}, which is not there")
        return f"{mark}[{text}]({self.code}/blob/HEAD/{file})" if self.code else text

    def _take(self, page: str, source: str) -> None:
        file = posixpath.normpath(posixpath.join(posixpath.dirname(page), source))
        if not (self.root / file).is_file():
            raise ValueError(f"{page} shows {source}, which is not there")
        self.assets.add(file)


def place(page: str) -> str:
    """Return where a page of the repository lies in the guide.

    Example:
        >>> place("docs/README.md"), place("docs/export.md")
        ('docs/index.md', 'docs/export.md')
    """
    return re.sub(r"(^|/)README\.md$", r"\1index.md", page.replace(".ipynb", ".md"))


def reference(module: str) -> str:
    """Return the source of a module's page in the reference: mkdocstrings fills it from the docstrings."""
    lines = [f"# {module}", "", f"::: {module}", "    options:"]
    if module in DOORS:
        lines.append("      members: false")
    else:
        names = sorted(importlib.import_module(module).__all__, key=str.lower)
        lines += ["      members:", *(f"        - {name}" for name in names)]
    return "\n".join(lines) + "\n"


def build_guide(root: Path, out: Path, *, code: str | None = None, run: bool = True) -> int:
    """Write the guide, whole or not at all, and return how many pages it has.

    Args:
        root: the repository's root: its `site/guide/` has the configuration, the styles and the theme.
        out: the folder to write; a guide that this function wrote is replaced.
        code: the address of the code, which links to files that are no pages lead to.
        run: whether the notebooks are executed.

    Raises:
        ValueError: a notebook's cell failed, a link leads nowhere, something would be fetched from elsewhere, or
            Zensical has a complaint.
    """
    with new_folder(out, may_replace=require_guide) as folder, tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        shutil.copytree(root / "site" / "guide", source, dirs_exist_ok=True)
        pages = source / "pages"
        Sources(root, code).write(pages, run=run)
        shutil.copytree(root / "site" / "guide" / "assets", pages / "assets")
        shutil.copyfile(root / "site" / "styles" / "icon.svg", pages / "assets" / "icon.svg")
        run_zensical(source, root)
        shutil.copytree(source / "html", folder, dirs_exist_ok=True)
        for needless in ("404.html", "sitemap.xml", "sitemap.xml.gz"):  # they want to know the site's address
            (folder / needless).unlink(missing_ok=True)
        for page in folder.rglob("*.html"):
            forbid_foreign(page)
        return check_links(folder)


def run_zensical(source: Path, root: Path) -> None:
    """Build what lies in a folder; it must find nothing to complain of."""
    if find_spec("zensical") is None:
        raise ModuleNotFoundError("zensical is not installed: pip install -e '.[site]', with Python 3.11 or newer")
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(root.resolve()), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout + done.stderr
    if done.returncode or re.search(r"^(?:error|warning)\b", told, flags=re.IGNORECASE | re.MULTILINE):
        raise ValueError(f"Zensical did not build the guide:\n{told.strip()}")


def require_guide(folder: Path) -> None:
    """Raise ValueError unless a folder is a guide that `make guide` built."""
    if not (folder / "reference" / "zoo.html").is_file():
        raise ValueError(f"{folder} is not a guide that `make guide` built: it has no reference/zoo.html")


def main(
    out: Annotated[Path, typer.Argument(help="Folder to write; a guide that is there already is replaced.")],
    code: Annotated[str | None, typer.Option(help="Address of the code, for links to files.")] = None,
    run: Annotated[bool, typer.Option(help="Execute the notebooks.")] = True,
) -> None:
    """Build the guide from docs/, notebooks/, the docstrings and site/guide/."""
    with status("building"):
        count = build_guide(Path(), out, code=code or None, run=run)
    say(f"{out}: {count} pages, all links lead somewhere")


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
