"""The tables that `diracnet evaluate --full` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from export.figures.measure import COMPUTED, FITTED, NONE, OWN, SEVERITIES, corrupted_mean
from zoo.training.confusion import ClassResult, class_results
from zoo.training.report import SHOWN

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
    rows: list[Sequence[str]] = [["top-1", *(_percent(found[each]["metrics"]["top1"], 2) for each in precisions)]]
    for key, title in titles.items():
        if key in found[precisions[0]]["calibration"]:
            rows.append([title, *(_percent(found[each]["calibration"][key]["error"], 2) for each in precisions)])
    if found["corrupted_pictures"]:
        count, ways = f"{found['corrupted_pictures']:,}", len(found[precisions[0]]["corruptions"]) - 1
        rows.append(
            [
                f"top-1, {count} corrupted in {ways} ways",
                *(_percent(corrupted_mean(found[each]), 2) for each in precisions),
            ]
        )
        rows.append(
            [f"top-1, the same {count} clean", *(_percent(found[each]["corruptions"][NONE], 2) for each in precisions)]
        )
    return ["", *precisions], rows


def by_class(found: Mapping[str, Any], precisions: Sequence[str]) -> Table:
    """Return the results of the classes, or of the ten with the lowest accuracy in float32 where there are many."""
    results = {
        precision: class_results(torch.tensor(found[precision]["confusion"]), found["classes"])
        for precision in precisions
    }
    first = results[precisions[0]]
    order = list(range(len(first)))
    if len(order) > SHOWN:
        measured = [index for index in order if first[index].pictures]
        order = sorted(measured, key=lambda index: first[index].right / first[index].pictures)[:SHOWN]
    rows = [
        [
            first[index].label,
            str(first[index].pictures),
            *(_percent(results[each][index].top1) for each in precisions),
            _mistake(first[index]),
        ]
        for index in order
    ]
    return ["class", "pictures", *precisions, f"most often taken for, {precisions[0]}"], rows


def class_title(found: Mapping[str, Any]) -> str:
    """Return what the table of the classes shows."""
    count = len(found["classes"])
    return "The classes:" if count <= SHOWN else f"The worst {SHOWN} of {count:,} classes:"


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


def _mistake(result: ClassResult) -> str:
    return f"{result.taken_for} ({result.mistaken})" if result.taken_for else ""


def _percent(share: float | None, decimals: int = 1) -> str:
    return "–" if share is None else f"{share:.{decimals}f} %"
