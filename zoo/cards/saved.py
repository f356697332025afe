"""The card of a net that was saved as it is, in its training form; `export.cards` has the cards of bundles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.cards.names import ANYWHERE, PLACEHOLDER
from zoo.cards.sections import sections
from zoo.cards.template import fill


def saved_card(description: Mapping[str, Any], repository: str | None = None) -> str:
    """Return the card as Markdown, with the front matter that the Hub reads.

    Args:
        description: what config.json says.
        repository: `ORG/NAME` on the Hub, if it is known.
    """
    placeholder = "" if repository else PLACEHOLDER
    filled = fill("saved", placeholder=placeholder, repository=repository or ANYWHERE, **sections(description))
    return f"{filled}\n"
