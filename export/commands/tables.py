"""Tables that the commands print. Kept apart from the commands, so that those without tables do not import rich."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.printing import say, say_table

if TYPE_CHECKING:  # at run time each command imports only what it prints itself
    from export.bundle.accuracy import Accuracy
    from export.hub.push import Publication
    from export.proof.check import Check


def print_checks(checks: Sequence[Check], *, verbose: bool = False) -> None:
    """Print one line per comparison that failed, or with `verbose` per comparison, with its largest figure."""
    shown = [check for check in checks if verbose or not check.passed]
    if not shown:
        return
    heads, rows = ("check", "inputs", "figure", "limit"), []
    for name, group in groupby(shown, lambda check: check.name):
        same = list(group)
        # NaN is the worst figure; `max` alone could overlook it.
        worst = max((check.figure for check in same), key=lambda figure: (math.isnan(figure), figure))
        inputs = sum(bool(check.inputs) for check in same)
        rows.append((name, str(inputs or ""), f"{worst:.1e}", f"{same[0].limit:.2g}"))
    say_table(heads, rows)


def summary(checks: Sequence[Check]) -> str:
    """Return how many checks passed, and how near to its limit the nearest one came.

    Example:
        >>> from export.proof.check import Check
        >>> summary([Check("altered files", 0, 0), Check("largest difference", 2e-6, 1e-5)])
        '2 checks passed; the nearest to its limit, largest difference, has 20% of it'
    """
    shares = {check: check.figure / check.limit for check in checks if check.limit > 0}
    text = f"{len(checks)} checks passed"
    if not shares:
        return text
    nearest = max(shares, key=lambda check: shares[check])
    return f"{text}; the nearest to its limit, {nearest.name}, has {100 * shares[nearest]:.0f}% of it"


def print_files(what: str, folder: Path, *, verbose: bool = False) -> None:
    """Print how many files a folder holds and their size, or with `verbose` that of each."""
    sizes = {path.relative_to(folder): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
    if verbose:
        heads, rows = ("file", "bytes"), []
        for name, size in sizes.items():
            rows.append((str(name), f"{size:,}"))
        say_table(heads, rows)
    say(f"{folder}: {what}, {len(sizes)} files, {sum(sizes.values()) / 1e6:.1f} MB")


def print_accuracies(accuracies: Sequence[Accuracy]) -> None:
    """Print one line per graph of a bundle, with its accuracy on a data set."""
    heads, rows = ("graph", *accuracies[0].metrics, "agrees with fp32"), []
    for accuracy in accuracies:
        figures = (f"{value:.4f}" if key == "loss" else f"{value:.2f}%" for key, value in accuracy.metrics.items())
        rows.append((accuracy.graph, *figures, f"{accuracy.agreement:.2f}%"))
    say_table(heads, rows)


def print_publication(publication: Publication, dry_run: bool) -> None:
    """Print one line per file of a repository on the Hub, with what happened to it, and a summary."""
    heads, rows = ("file", "bytes", "sha256", "change"), []
    for change in ("added", "changed", "deleted", "unchanged"):
        for name in getattr(publication.changes, change):
            file = publication.files.get(name)
            rows.append((name, f"{file.size:,}" if file else "", file.sha256[:12] if file else "", change))
    say_table(heads, rows)
    made = "would be made" if dry_run else "made"
    parts = [f"{publication.url}, branch {publication.revision}"]
    parts += [f"repository {made}"] if publication.created else []
    parts += [f"nothing {'would change' if dry_run else 'changed'}"] if not publication.changes else []
    parts += [f"commit {publication.commit}"] if not dry_run else ["nothing was sent"]
    parts += [f"tag {publication.tag}"] if publication.tag else []
    say(": ".join([parts[0], ", ".join(parts[1:])]))
