"""Errors that a sentence alone cannot tell."""

from __future__ import annotations

from collections.abc import Iterable


class DetailedError(Exception):
    """A sentence, and lines below it that tell more; the commands print each line by itself.

    Args:
        text: the sentence.
        details: the lines.

    Example:
        >>> print(DetailedError("two are wrong:", ["a.png: empty", "b.png: cut"]))
        two are wrong:
          a.png: empty
          b.png: cut
    """

    def __init__(self, text: str, details: Iterable[str]) -> None:
        self.details = tuple(details)
        super().__init__(text, self.details)

    def __str__(self) -> str:
        return "\n  ".join((self.args[0], *self.details))
