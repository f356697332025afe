"""Completion of words with a colon in bash, which splits `NAME:TAG` into three words (COMP_WORDBREAKS)."""

from __future__ import annotations

import io
import shlex
from collections.abc import Callable, MutableMapping
from contextlib import redirect_stdout


def complete(app: Callable[[], object], environment: MutableMapping[str, str]) -> None:
    """Call an application that bash asks for completions, and print them as bash wants them.

    The words in the environment are put together again before the call; of what is printed, the part up to the last
    colon, which bash has already, is left out.
    """
    try:
        words = shlex.split(environment["COMP_WORDS"])
    except ValueError:  # an open quotation mark
        words = environment["COMP_WORDS"].split()
    joined, current = join_words(words, int(environment["COMP_CWORD"]))
    environment["COMP_WORDS"], environment["COMP_CWORD"] = shlex.join(joined), str(current)
    known = (joined[current] if current < len(joined) else "").rpartition(":")[0]
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            app()
    finally:
        for line in printed.getvalue().splitlines():
            print(line.removeprefix(f"{known}:") if known else line)


def join_words(words: list[str], current: int) -> tuple[list[str], int]:
    """Undo bash's splitting at colons; return the words and the index of the one that is being completed.

    Example:
        >>> join_words(["diracnet", "info", "diracnet16_cifar", ":", "ci"], 4)
        (['diracnet', 'info', 'diracnet16_cifar:ci'], 2)
    """
    joined: list[str] = []
    index = -1
    for place, word in enumerate(words):
        if place > 1 and (word.startswith(":") or joined[-1].endswith(":")):
            joined[-1] += word
        else:
            joined.append(word)
        if place == current:
            index = len(joined) - 1
    return joined, index if index >= 0 else len(joined)
