"""Fills the templates of `site/templates/`. Whatever a template is given is escaped, unless it is HTML already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from export.site.markdown import inline

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class Pages:
    """The templates, and what all pages share.

    Args:
        templates: the folder of the templates.
        shared: names that every template knows.
    """

    def __init__(self, templates: Path, shared: Mapping[str, object]) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(templates),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(short=short, grouped=grouped, percent=percent, size=file_size, inline=inline)
        self._templates.globals.update(shared)

    def write(self, template: str, path: Path, root: str, **values: object) -> None:
        """Write one page.

        Args:
            template: the template's name, without `.html`.
            path: the file; its folder is made.
            root: the relative way from the page to the site's root, such as "../../", or "" in the root itself.
            values: what the template asks for.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self._templates.get_template(f"{template}.html").render(root=root, **values)
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def short(value: float) -> str:
    """Return a count in three digits with its prefix.

    Example:
        >>> short(26395264), short(999_999), short(244)
        ('26.4 M', '1 M', '244')
    """
    for step, prefix in _STEPS:
        if value >= 0.9995 * step:
            return f"{value / step:.3g} {prefix}"
    return f"{value:g}"


def grouped(value: int) -> str:
    """Return a whole number with its thousands apart: `grouped(17796)` is `"17,796"`."""
    return f"{value:,}"


def percent(value: float) -> str:
    """Return an accuracy with two decimals: `percent(86.3)` is `"86.30%"`."""
    return f"{value:.2f}%"


def file_size(value: int) -> str:
    """Return a number of bytes with its unit: `file_size(1476123)` is `"1.48 MB"`."""
    return f"{short(value)}B" if value >= 1e3 else f"{value} B"
