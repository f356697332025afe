"""`make evaluate DATA=…`: measure every shipped checkpoint again, and compare with its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zoo import build_from
from zoo.command_line import run
from zoo.layout import FORMS
from zoo.training.data import Pictures
from zoo.training.evaluate import evaluate
from zoo.training.places import check_dataset
from zoo.training.sources import load_test
from zoo.weights.locate import load_weight
from zoo.weights.record import Weight, all_weights

ALLOWED = 0.05
"""Percentage points by which an accuracy may differ from the manifest's, because processors round differently."""


class DifferentFiguresError(RuntimeError):
    """A checkpoint is not as accurate as its manifest says."""

    exit_status = 1


@dataclass(frozen=True)
class Comparison:
    """One form of one checkpoint: its top-1 accuracy in percent as recorded, and as measured if data are available."""

    name: str
    form: str
    recorded: float
    measured: float | None

    @property
    def differs(self) -> bool:
        """Whether the two figures differ by more than is allowed."""
        return self.measured is not None and not abs(self.measured - self.recorded) <= ALLOWED


def compare(data: list[str]) -> Iterator[Comparison]:
    """Yield a comparison for each form of each checkpoint. Checkpoints of other data are not measured."""
    for (name, tag), record in all_weights().items():
        if "data_sha256" not in record.provenance:
            continue
        pictures = _pictures(record, data)
        for form in FORMS:
            measured = None
            if pictures is not None and record.preprocessing is not None:
                net = build_from(load_weight(record, form))
                measured = evaluate(net, pictures, record.preprocessing)["top1"]
            yield Comparison(f"{name}:{tag}", form, record.metrics["top1"], measured)


def _pictures(record: Weight, data: list[str]) -> Pictures | None:
    """Return the test pictures with the fingerprint in the record, or None."""
    for source in data:
        if record.preprocessing is not None:
            pictures = load_test(source, record.preprocessing)
            if pictures.sha256() == record.provenance["data_sha256"]["test"]:
                return pictures
    return None


def main(
    data: Annotated[list[str], typer.Argument(help="Data sets, as `diracnet train --data` takes them.")],
) -> None:
    """Measure every shipped checkpoint whose test pictures are in DATA; exit with 1 if a figure differs."""
    for source in data:
        check_dataset(source)
    found = list(compare(data))
    table = Table("weights", "form", "top-1 recorded", "measured")
    for one in found:
        measured = "its data are not here" if one.measured is None else f"{one.measured:.2f}%"
        table.add_row(one.name, one.form, f"{one.recorded:.2f}%", measured)
    Console().print(table)
    if all(one.measured is None for one in found):
        raise ValueError(f"no checkpoint was measured on {', '.join(data)}")
    wrong = [f"{one.name} ({one.form})" for one in found if one.differs]
    if wrong:
        raise DifferentFiguresError(f"more than {ALLOWED} points from the manifest: {', '.join(wrong)}")


app = typer.Typer(add_completion=False)
app.command()(main)

if __name__ == "__main__":
    run(app)
