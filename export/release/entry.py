"""What an entry of `checkpoints/` may be called, and of which run: checked before PyTorch is imported."""

from __future__ import annotations

import re
from pathlib import Path

from zoo.cards.licences import check_licence
from zoo.layout import RESULT, SAVED, TRAINED, UNTRAINED, UPSTREAM


def check_entry(run: Path, *, tag: str, licence: str) -> None:
    """Raise ValueError unless a finished run can become an entry of this tag and licence."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", tag) or tag in (UNTRAINED, TRAINED, SAVED, UPSTREAM):
        raise ValueError(
            f"tag={tag!r}: a tag is made of lower-case words and digits joined by _, such as cifar10 or cifar10_64px, "
            f"and is none of {UNTRAINED}, {TRAINED}, {SAVED} and {UPSTREAM}"
        )
    check_licence(licence)
    if not (run / RESULT).is_file():
        raise ValueError(f"{run} holds no finished run: it has no {RESULT}")
