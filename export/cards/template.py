"""The cards of bundles and of the zoo: templates in `templates/`, which name a bundle's files, inputs and outputs."""

from __future__ import annotations

from export.layout import FOLDED, GOLDEN, GRAPH, INPUT, OUTPUT, PICTURES, REPORT
from zoo.cards import template as cards

_NAMES = {
    "FOLDED": FOLDED,
    "GOLDEN": GOLDEN,
    "GRAPH": GRAPH,
    "INPUT": INPUT,
    "OUTPUT": OUTPUT,
    "PICTURES": PICTURES,
    "REPORT": REPORT,
}


def fill(template: str, /, **values: object) -> str:
    """Return a template's text with its names filled in; see `zoo.cards.template.fill`."""
    return cards.fill(template, "export.cards", **_NAMES, **values)
