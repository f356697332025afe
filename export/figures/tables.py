"""The tables that `diracnet evaluate --full` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from export.figures.measure import COMPUTED, FITTED, NONE, OWN, SEVERITIES, corrupted_mean
from zoo.training.confusion import SHOWN, class_results, worst_classes, worst_title
from zoo.training.report import percent

Table = tuple[list[str], Sequence[Sequence[str]]]
"""Heads and rows."""


def summary(found: Mapping[str, Any], precisions: Sequence[str]) -> Table:
    """Return a line for each figure, a column for each precision.

    Args:
        found: the figures, as `--json` has them under `full`.
        precisions: keys of those that were measured.
    """
    titles = {
        COMPUTED: "calibration error",
        OWN: f"with its own temperature, {found.get('own_temperature', 1):g}",
        FITTED: "with one fitted on the other half of the pictures",
    }
    rows: list[Sequence[str]] = [["top-1", *(percent(found[each]["metrics"]["top1"], 2) for each in precisions)]]
    for key, title in titles.items():
        if key in found[precisions[0]]["calibration"]:
            rows.append([title, *(percent(found[each]["calibration"][key]["error"], 2) for each in precisions)])
    if found["corrupted_pictures"]:
        count, ways = f"{found['corrupted_pictures']:,}", len(found[precisions[0]]["corruptions"]) - 1
        rows.append(
            [
                f"top-1, {count} corrupted in {ways} ways",
                *(percent(corrupted_mean(found[each]), 2) for each in precisions),
            ]
        )
        rows.append(
            [f"top-1, the same {count} clean", *(percent(found[each]["corruptions"][NONE], 2) for each in precisions)]
        )
    return ["", *precisions], rows


def by_class(found: Mapping[str, Any], precisions: Sequence[str]) -> tuple[str, Table]:
    """Return a title, and the results of the classes, or of the worst in float32 where there are many."""
    results = {
        precision: class_results(torch.tensor(found[precision]["confusion"]), found["classes"])
        for precision in precisions
    }
    first = results[precisions[0]]
    everyone = len(first) <= SHOWN
    rows = [
        [
            first[index].label,
            str(first[index].pictures),
            *(percent(results[each][index].top1) for each in precisions),
            first[index].mistake,
        ]
        for index in (range(len(first)) if everyone else worst_classes(first))
    ]
    heads = ["class", "pictures", *precisions, f"most often taken for, {precisions[0]}"]
    return "The classes:" if everyone else worst_title(first), (heads, rows)


def by_corruption(found: Mapping[str, Any], precisions: Sequence[str]) -> Table:
    """Return the top-1 of each corruption, a column for each severity and precision."""
    heads = [f"{severity}, {precision}" for severity in SEVERITIES for precision in precisions]
    names = [name for name in found[precisions[0]]["corruptions"] if name != NONE]
    rows = [
        [
            name,
            *(
                f"{found[precision]['corruptions'][name][str(severity)]:.1f}"
                for severity in SEVERITIES
                for precision in precisions
            ),
        ]
        for name in names
    ]
    return ["corruption", *heads], rows
