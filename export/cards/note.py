"""What a card says about one format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FormatNote:
    """A format in a card's words.

    Args:
        files: path → what the file is.
        accuracy: how close its answers are to those of the net that was measured.
        usage: Markdown lines on what its users must know, or none.
    """

    files: Mapping[str, str]
    accuracy: str
    usage: tuple[str, ...] = field(default=())
