"""Checks of built pages: every link leads somewhere, and nothing is fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {"audio", "embed", "iframe", "img", "link", "object", "script", "source", "track", "video"}
"""Elements whose addresses a browser fetches by itself."""
_SCRIPT = re.compile(r"<script>(.*?)</script>", flags=re.DOTALL)
_POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; base-uri 'self'; form-action 'none'"
)


class Page(HTMLParser):
    """What a page has and leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.unresolved: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "autoref":
            self.unresolved.append(values.get("identifier", "?"))
        addresses = [values[name] for name in ("href", "src") if name in values]
        addresses += [one.split()[0] for one in values.get("srcset", "").split(",") if one.strip()]
        if tag in _LOADS and values.get("rel") != "canonical":
            self.fetched += addresses
        self.links += addresses


def check_links(folder: Path) -> int:
    """Check the links of all pages of a folder, and return how many pages it has.

    Raises:
        ValueError: a link leads to a file or an anchor that is not there or out of the folder, a reference was not
            resolved, or something would be fetched from elsewhere. The message names all of them.
    """
    folder = folder.resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    # The guide's logo leads to the gallery, which lies around it once the site is built.
    pages[folder.parent / "index.html"] = Page("")
    faults = [
        f"{path.relative_to(folder.parent)}: {fault}"
        for path, page in pages.items()
        for fault in _faults(path, page, pages)
    ]
    for sheet in folder.rglob("*.css"):
        foreign = re.findall(r"url\([\"']?(https?:[^)]*)|@import[^;]*(https?:[^;]*)", sheet.read_text(encoding="utf-8"))
        faults += [f"{sheet.relative_to(folder)}: fetches {one}" for one in foreign]
    if faults:
        raise ValueError("the pages have faults:\n" + "\n".join(faults))
    return len(pages) - 1


def _faults(path: Path, page: Page, pages: dict[Path, Page]) -> list[str]:
    faults = [f"fetches {address}" for address in page.fetched if urlsplit(address).netloc]
    faults += [f"does not resolve {name}" for name in page.unresolved]
    for address in page.links:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        if target not in pages and not target.is_file():
            faults.append(f"leads to {address}, which is not there")
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
            faults.append(f"leads to {address}, an anchor that is not there")
    return faults


def forbid_foreign(path: Path) -> None:
    """Write into a page a policy by which browsers fetch nothing from elsewhere, and run its own scripts alone."""
    text = path.read_text(encoding="utf-8")
    digests = {base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in _SCRIPT.findall(text)}
    policy = _POLICY.format(scripts=" ".join(f"'sha256-{digest}'" for digest in sorted(digests)))
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    path.write_text(re.sub(r"(<meta charset=[^>]*>)", lambda found: found[0] + meta, text, count=1), encoding="utf-8")
