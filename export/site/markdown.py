"""Cards as HTML. What a card says is text: its HTML is shown, not obeyed."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markupsafe import Markup

_READER = MarkdownIt("commonmark", {"html": False}).enable("table")


def to_html(text: str) -> Markup:
    r"""Return Markdown, its front matter left out, as HTML that is safe to place into a page.

    Example:
        >>> to_html("*a* <b>")
        Markup('<p><em>a</em> &lt;b&gt;</p>\n')
    """
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return Markup(_READER.render(body))  # noqa: S704  # rendered with html=False: it escapes


def inline(text: str) -> Markup:
    """Return a line of Markdown as HTML: ``inline("the `logits`")`` is ``the <code>logits</code>``."""
    return Markup(_READER.renderInline(text))  # noqa: S704  # as above


def section(text: str, title: str) -> str:
    """Return what a card says under a heading `## title`, without the heading; nothing if it has none."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    return match[1].strip() if match else ""
