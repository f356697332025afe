"""Checks: figures with limits, and the error that names those that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 6
"""So many failed checks are named in an error; where one file is wrong, many fail."""


@dataclass(frozen=True)
class Check:
    """One comparison: `figure` must not exceed `limit`.

    Args:
        name: what is compared.
        figure: how far apart they are.
        limit: how far they may be.
        note: what a reader of a failure needs to know.
        inputs: what it was compared on, where one comparison is made on several; such as "1×32×32".
    """

    name: str
    figure: float
    limit: float
    note: str = ""
    inputs: str = ""

    @property
    def title(self) -> str:
        """The name, with the inputs where there are several."""
        return f"{self.name}, {self.inputs}" if self.inputs else self.name

    @property
    def passed(self) -> bool:
        """Whether the figure is within the limit; NaN counts as failed."""
        return self.figure <= self.limit


class VerificationError(RuntimeError):
    """A file of a bundle does not compute what its source computes."""

    exit_status = 1  # of the command line: the call was right, the files were not


def require(checks: Sequence[Check]) -> None:
    """Raise VerificationError, naming the first that did not, unless all checks passed.

    Example:
        >>> import export
        >>> export.require([export.Check("largest difference", 1e-7, 1e-5)])
        >>> export.require([export.Check("largest difference", 1e-3, 1e-5)])
        Traceback (most recent call last):
        ...
        export.proof.check.VerificationError: failed: largest difference: 0.001 exceeds 1e-05
    """
    failed = [check for check in checks if not check.passed]
    if failed:
        lines = [f"{c.title}: {c.figure:.3g} exceeds {c.limit:.3g} {c.note}".rstrip() for c in failed[:SHOWN]]
        more = f"; and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        raise VerificationError(f"failed: {'; '.join(lines)}{more}")
