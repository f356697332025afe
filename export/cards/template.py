"""The text of the cards: Markdown files in `templates/`, whose `$names` are filled in."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from string import Template

from export.layout import FOLDED, GOLDEN, GRAPH, INPUT, OUTPUT, PICTURES, REPORT

_NAMES = {
    "FOLDED": FOLDED,
    "GOLDEN": GOLDEN,
    "GRAPH": GRAPH,
    "INPUT": INPUT,
    "OUTPUT": OUTPUT,
    "PICTURES": PICTURES,
    "REPORT": REPORT,
}
"""Names of files, inputs and outputs, which every template may use."""


def fill(template: str, **values: object) -> str:
    """Return a template's text with its names filled in, ending without a newline.

    A name that stands alone on its line may be empty: then the line and the blank lines after it are dropped.

    Args:
        template: the file's name in `templates/`, without `.md`.
        values: what the names stand for; those of files, inputs and outputs are known already.

    Raises:
        KeyError: the template contains a name that has no value.
    """
    text = _read(template)
    for name, value in values.items():
        if value == "":
            text = re.sub(rf"^\${name}\n+", "", text, flags=re.MULTILINE)
    # A section that is filled in is followed by a blank line, however it ends.
    return re.sub(r"\n{3,}", "\n\n", Template(text).substitute(_NAMES, **values)).rstrip("\n")


@cache
def _read(template: str) -> str:
    return files("export.cards").joinpath("templates", f"{template}.md").read_text(encoding="utf-8")
