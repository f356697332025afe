"""The text of the cards: Markdown files, whose `$names` are filled in."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from string import Template

CODE = "https://github.com/OWNER/diracnet-zoo"
"""Where the code is. OWNER stands for the account that holds it; README.md and others say the same."""


def fill(template: str, package: str = "zoo.cards", /, **values: object) -> str:
    """Return a template's text with its names filled in, ending without a newline.

    A name that stands alone on its line may be empty: then the line and the blank lines after it are dropped.

    Args:
        template: the file's name in the package's folder `templates/`, without `.md`.
        package: the package that has the template.
        values: what the names stand for; `$CODE`, the address of the code, is known already.

    Raises:
        KeyError: the template contains a name that has no value.
    """
    text = _read(package, template)
    for name, value in values.items():
        if value == "":
            text = re.sub(rf"^\${name}\n+", "", text, flags=re.MULTILINE)
    # A section that is filled in is followed by a blank line, however it ends.
    return re.sub(r"\n{3,}", "\n\n", Template(text).substitute(values, CODE=CODE)).rstrip("\n")


@cache
def _read(package: str, template: str) -> str:
    return files(package).joinpath("templates", f"{template}.md").read_text(encoding="utf-8")


def escaped(text: str) -> str:
    """Return a text of the user's as Markdown that shows it as it is, on one line and within a table's cell."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))
