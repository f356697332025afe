"""Checks, which compare a figure with a limit, and the error that lists the failed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 6
"""The most failed checks that an error lists; a single bad file makes many fail."""


@dataclass(frozen=True)
class Check:
    """One comparison: `figure` must not exceed `limit`.

    Args:
        name: what is compared.
        figure: the measured value.
        limit: the largest value allowed.
        note: what the reader of a failure needs to know.
        inputs: the inputs used, such as "1×32×32", if the same comparison is made on several.
    """

    name: str
    figure: float
    limit: float
    note: str = ""
    inputs: str = ""

    @property
    def title(self) -> str:
        """The name, followed by the inputs if they are given."""
        return f"{self.name}, {self.inputs}" if self.inputs else self.name

    @property
    def passed(self) -> bool:
        """Whether the figure is within the limit; NaN counts as failed."""
        return self.figure <= self.limit


class VerificationError(RuntimeError):
    """A file of a bundle does not compute what its source computes."""

    exit_status = 1  # of the command line: the call was valid, the files were not


def require(checks: Sequence[Check]) -> None:
    """Raise VerificationError if any check failed; the message lists the first failures.

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
