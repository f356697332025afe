"""For Griffe, which reads the docstrings: `Example:` introduces a doctest, as `Examples:` does."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Renames the section, in each docstring that is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
