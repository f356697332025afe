"""docs/versions.md, from docs/versions.json and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import fill, table
from benchmarks.versions.environments import ENVIRONMENTS
from benchmarks.versions.suite import OUTCOMES

TEMPLATE = Path(__file__).with_suffix(".md")


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a record: environment → `python`, `versions` and `files`, and how many files there are."""
    environments = {name: result["environments"][name] for name in ENVIRONMENTS if name in result["environments"]}
    total = result["files"]
    names = sorted({name for one in environments.values() for name in one["versions"]})
    values = {
        "results": table(
            ["environment", "Python", *OUTCOMES, "test files run", "date"],
            [[f"`{name}`", one["python"], *_counts(one, total)] for name, one in environments.items()],
        ),
        "versions": table(
            ["package", *(f"`{name}`" for name in environments)],
            [[name, *(one["versions"].get(name, "–") for one in environments.values())] for name in names],
        ),
        "failures": _failures(environments),
        "lacking": ", ".join(f"`{name}`" for name in ENVIRONMENTS if name not in environments) or "none",
    }
    return fill(TEMPLATE, values)


def _counts(environment: Mapping[str, Any], total: int) -> list[str]:
    files = environment["files"].values()
    sums = [str(sum(one[outcome] for one in files)) for outcome in OUTCOMES]
    dates = sorted({one["date"] for one in files})
    return [*sums, f"{len(files)} of {total}", " to ".join(dict.fromkeys((dates[0], dates[-1])))]


def _failures(environments: Mapping[str, Mapping[str, Any]]) -> str:
    found = [
        f"- `{name}`: `{file}::{failure}`"
        for name, one in environments.items()
        for file, counts in one["files"].items()
        for failure in counts["failures"]
    ]
    return "\n".join(found) if found else "No test failed."
