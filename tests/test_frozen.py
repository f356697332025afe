"""Pages whose code is gone: the figures of their tables and of their prose are still those of the kept logs."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import spread, versions

DOCS = Path(__file__).resolve().parent.parent / "docs"
Table = list[list[str]]


def read(path: str) -> Any:
    return json.loads((DOCS / path).read_text(encoding="utf-8"))


def text(path: str) -> str:
    return (DOCS / path).read_text(encoding="utf-8")


def tables(markdown: str) -> list[Table]:
    """Return the cells of each table, its head first and without the line below it."""
    found = re.findall(r"(?:^\|.*\|\n)+", markdown + "\n", flags=re.MULTILINE)
    split = [[line.strip("| ").split(" | ") for line in block.splitlines()] for block in found]
    return [[head, *rows] for head, _, *rows in split]


def additions(log: dict[str, Any]) -> list[str]:
    """Return what a recipe has besides its rates."""
    recipe = log["recipe"]
    found = {
        "label smoothing": recipe["label_smoothing"],
        "running average": recipe["ema"],
        "alternating flips": recipe["flip"] == "alternating",
        "fixed norms": recipe.get("fixed_norm"),
        "a stem of principal components": recipe.get("stem") == "principal",
        "beta from": recipe.get("beta"),
        "bias from": recipe.get("bn_bias"),
    }
    return [name if value is True else f"{name} {value:g}" for name, value in found.items() if value]


def recipes(table: Table) -> Table:
    head, *rows = table
    names = [re.fullmatch(r"\[(.*)\]\(recipes/\1\.json\)", row[0])[1] for row in rows]
    logs = [read(f"recipes/{name}.json") for name in names]
    shared = [one for one in additions(logs[0]) if all(one in additions(log) for log in logs)]
    expected = []
    for name, log in zip(names, logs, strict=True):
        layers = log.get("layers", [])
        cells = {
            "log": f"[{name}](recipes/{name}.json)",
            "rate of SGD": str(log["recipe"]["lr"]),
            "rate of Muon": str(log["recipe"]["muon_lr"] or "none"),
            "other": ", ".join(one for one in additions(log) if one not in shared) or "–",
            "top-1, training": f"{log['history'][-1]['train_top1']:.2f}%",
            "top-1, held out": f"{log['metrics']['top1']:.2f}%",
            "CPU-hours": f"{log['cpu_hours']:.3f}",
            "on": log["environment"]["device"].split(",")[0],
            "identities": f"{sum(one['share'] > 99 for one in layers)} of {len(layers)}" if layers else "–",
        }
        expected.append([cells[column] for column in head])
    return [head, *expected]


def missed_bars(table: Table) -> Table:
    head, *rows = table
    log = read("benchmarks/missed-bars.json")
    expected = []
    if head[0] != "pair":
        assert {name for name, *_ in rows} == set(log["profiles" if head[0] == "net" else "ratios"])
    for name, *_ in rows:
        if head[0] == "net":
            net = log["profiles"][name]
            whole, threes, products = net["kernels_ms"], net["in_3x3_ms"], net["in_3x3"]
            row = [f"{whole:.2f} ms", f"{threes:.2f} ms", f"{products / 1e9:.3f} G", f"{products / threes / 1e6:.0f} G"]
            row.append(f"{whole - threes:.2f} ms")
        elif head[0] == "pair":
            ours, theirs = (log["profiles"][one] for one in name.split(" / "))
            row = [f"{ours[key] / theirs[key]:.3f}" for key in ("kernels_ms", "multiply_adds")]
        else:
            ratio = log["ratios"][name]
            row = [spread(ratio, 3), f"{ratio['first_ms']:.1f}", f"{ratio['second_ms']:.1f}", str(ratio["rounds"])]
        expected.append([name, *row])
    return [head, *expected]


def growth(table: Table) -> Table:
    points = read("benchmarks/growth.json")["axes"][table[0][0]]
    medians = [f"{point['ms']['median']:.2f}" for point in points]
    return [[table[0][0], *(f"{point['value']:g}" for point in points)], ["ms a picture", *medians]]


FROZEN: dict[str, tuple[int, Callable[[Table], Table]]] = {
    "recipes.md": (8, recipes),
    "benchmarks/missed-bars.md": (3, missed_bars),
    "benchmarks/growth.md": (5, growth),
}
"""Page → how many tables it has, and what each should be, given the first cells of its rows."""


@pytest.mark.parametrize("page", FROZEN)
def test_frozen_tables_are_those_of_the_kept_logs(page: str) -> None:
    found = tables(text(page))
    count, expected = FROZEN[page]
    assert len(found) == count
    for table in found:
        assert table == expected(table)


GAINS = """
answers recipe-muon recipe-sgd, answers recipe-muon-beta-0.5 recipe-muon, answers long-bias-0.5 long-beta-0.2,
answers rate-fixed resnet-rate,
answers recipe-muon recipe-sgd, answers recipe-muon-beta-0.5 recipe-muon, answers recipe-muon-half recipe-muon,
answers recipe-muon resnet-muon,
answers recipe-muon-beta-0.5 resnet-muon,
answers fixed-bias-0.5 fixed-beta-0.2, answers fixed-bias-1 fixed-beta-0.2, answers fixed-beta-0.2 resnet-fixed,
answers fixed-bias-0.5 resnet-fixed, answers fixed-bias-1 resnet-fixed,
answers long-bias-0.5 long-beta-0.2, answers long-bias-2 long-beta-0.2, answers long-bias-0.5 resnet-long,
answers long-beta-0.2 resnet-long,
answers wide-beta-0.5-bias-0.5 wide-beta-0.5, answers wide-beta-0.5-bias-1 wide-beta-0.5,
answers wide-beta-0.5-bias-1 wide-beta-0.2-bias-1, answers wide-beta-0.5 resnet-wide,
fits norm-free norm-fixed, fits resnet-norm-free resnet-norm-fixed, answers norm-free norm-fixed,
answers resnet-norm-free resnet-norm-fixed,
fits full-free full-fixed, answers full-free full-fixed, fits full-fast full-fixed, answers full-fast full-fixed,
answers rate-fixed resnet-rate, fits resnet-rate rate-fixed, fits rate-free rate-fixed, answers rate-free rate-fixed
"""
"""The signed figures of docs/recipes.md in order: points by which one run fits or answers better than another."""


def gains() -> list[str]:
    def top1(kind: str, name: str) -> float:
        log = read(f"recipes/{name}.json")
        return log["metrics"]["top1"] if kind == "answers" else log["history"][-1]["train_top1"]

    compared = [gain.split() for gain in GAINS.split(",")]
    return [f"{top1(kind, one) - top1(kind, other):+.1f}" for kind, one, other in compared]


def kernels() -> list[str]:
    found = read("benchmarks/missed-bars.json")["profiles"]
    return [f"{found[f'DiracNet-{n}']['kernels_ms'] / found[f'ResNet-{n}']['kernels_ms']:.3f}" for n in (18, 34)]


def milliseconds() -> list[str]:
    axes = read("benchmarks/growth.json")["axes"]
    ends = [axes[axis][place]["ms"]["median"] for axis in ("batch", "threads") for place in (-1, 0)]
    return [f"{median:.2f}" for median in ends]


PROSE: dict[str, tuple[str, Callable[[], list[str]]]] = {
    "recipes.md": (r"(?<![\w.])[+-]\d+\.\d+", gains),
    "benchmarks/missed-bars.md": (r"\d+\.\d{3}(?!\d)", kernels),
    "benchmarks/growth.md": (r"\d+\.\d{2}(?!\d)", milliseconds),
}
"""Page → how the measured figures of its prose are written, and what they should be, in order."""


def prose(page: str) -> str:
    return "\n".join(line for line in text(page).splitlines() if not line.startswith(("|", "AMD EPYC")))


@pytest.mark.parametrize("page", PROSE)
def test_frozen_prose_says_what_the_logs_say(page: str) -> None:
    pattern, expected = PROSE[page]
    assert re.findall(pattern, prose(page)) == expected()


def test_the_frozen_rates_of_multiply_adds_are_those_of_the_log() -> None:
    nets = read("benchmarks/missed-bars.json")["profiles"].values()
    rates = [net["in_3x3"] / net["in_3x3_ms"] / 1e6 for net in nets]
    assert f"at {min(rates):.0f} to {max(rates):.0f} G multiply-adds per second" in prose("benchmarks/missed-bars.md")


@pytest.mark.parametrize("page", ["benchmarks/missed-bars", "benchmarks/growth"])
def test_a_frozen_page_names_its_machine(page: str) -> None:
    log = read(f"{page}.json")
    line = f"{log['machine']}, {log['threads']} threads, load {log['load']:.1f} at its end; {versions(log)}."
    assert line in text(f"{page}.md").splitlines()


def test_every_kept_log_of_a_search_is_in_a_table() -> None:
    named = set(re.findall(r"\]\(recipes/(.*?)\.json\)", text("recipes.md")))
    assert named == {path.stem for path in (DOCS / "recipes").glob("*.json")}
