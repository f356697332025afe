"""Train the nets by which the paper's claims are judged, keep the logs, and write docs/paper.md from them.

`python -m benchmarks.paper short --data DATA --out RUNS`, `… beside NET NAME:TAG --data DATA --out RUNS`, `… again
NAME:TAG SEED --data DATA --out RUNS`, `… retire NAME:TAG OLD`, `… page`.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.comparators import COMPARATORS
from benchmarks.paper.page import write
from benchmarks.paper.retire import retire
from benchmarks.paper.runs import NETS, RECORDED, SHORT_RUNS, Run, again, beside, keep, taught
from zoo.command_line import run
from zoo.files import write_json
from zoo.training.loop import train
from zoo.training.sources import load_dataset

app = typer.Typer(add_completion=False, help=__doc__)
log = Console(stderr=True)
Data = Annotated[str, typer.Option(help="Data set, as for `diracnet train --data`.")]
Out = Annotated[Path, typer.Option(help="Folder for the run folders; repeat the command to continue.")]
Teacher = Annotated[
    Path | None,
    typer.Option(help="File of the weights that taught the checkpoint, for when their name stands for others by now."),
]
Precision = Annotated[str | None, typer.Option(help="Precision, for a machine that is slow at the checkpoint's.")]
Docs = Annotated[Path, typer.Option(help="Folder of paper.md and paper/.")]


@app.command()
def short(
    data: Data,
    out: Out,
    only: Annotated[str, typer.Option(help="Glob pattern of run names.")] = "*",
    docs: Docs = Path("docs"),
) -> None:
    """Train the short runs on reduced pictures."""
    chosen = {name: one for name, one in SHORT_RUNS.items() if fnmatch.fnmatchcase(name, only)}
    if not chosen:
        raise ValueError(f"no run matches {only!r}; there are {', '.join(SHORT_RUNS)}")
    for name, one in chosen.items():
        _train(name, one, data, out, docs)


@app.command("beside")
def beside_(
    net: Annotated[
        str, typer.Argument(help=f"A comparator ({', '.join(COMPARATORS)}), or dirac for the same net again.")
    ],
    model: Annotated[str, typer.Argument(help="Shipped checkpoint to compare with, as NAME:TAG.")],
    data: Data,
    out: Out,
    beta: Annotated[float, typer.Option(help="For dirac: initial beta (0 = upstream's default).")] = 0.0,
    bn_bias: Annotated[
        float, typer.Option(help="For dirac: initial bias of each BatchNorm after a Dirac layer.")
    ] = 0.0,
    precision: Precision = None,
    teacher: Teacher = None,
    docs: Docs = Path("docs"),
) -> None:
    """Train a comparator the way a shipped checkpoint was trained, or the checkpoint's own net from other values."""
    name, _, tag = model.partition(":")
    one = taught(beside(net, name, tag, beta=beta, bn_bias=bn_bias, precision=precision), name, tag, teacher)
    kind = "start-of" if net == "dirac" else f"{net}-beside"
    _train(f"{kind}-{name}-{tag}", one, data, out, docs)


@app.command("again")
def again_(
    model: Annotated[str, typer.Argument(help="Shipped checkpoint, as NAME:TAG.")],
    seed: Annotated[int, typer.Argument(min=0, help="Seed, other than the checkpoint's.")],
    data: Data,
    out: Out,
    precision: Precision = None,
    teacher: Teacher = None,
    docs: Docs = Path("docs"),
) -> None:
    """Train a shipped checkpoint's net as it was trained, with another seed."""
    name, _, tag = model.partition(":")
    one = taught(again(name, tag, seed, precision=precision), name, tag, teacher)
    _train(f"seed{seed}-of-{name}-{tag}", one, data, out, docs)


@app.command("retire")
def retire_(
    model: Annotated[str, typer.Argument(help="Shipped checkpoint that others are about to replace, as NAME:TAG.")],
    old: Annotated[str, typer.Argument(help="What tells it from its successor, such as 24epochs.")],
    docs: Docs = Path("docs"),
) -> None:
    """Keep a checkpoint's log and its comparators' as those of a net that is no longer shipped."""
    retire(docs, model, old)


@app.command()
def page(docs: Docs = Path("docs")) -> None:
    """Write docs/paper.md and its plots from the kept logs and the shipped checkpoints."""
    write(docs)


def _train(name: str, one: Run, data: str, out: Path, docs: Path) -> None:
    """Train, report each epoch, and keep the log in docs/paper/NAME.json."""

    def tell(line: dict[str, Any]) -> None:
        accuracies = (f"{key} {line[key]:.2f}%" for key in ("train_top1", "top1") if key in line)
        log.print(f"{name}: epoch {line['epoch'] + 1}/{one.recipe.epochs}: {', '.join(accuracies)}")

    dataset = load_dataset(data, one.size)
    build, architecture = NETS[one.net], RECORDED[one.net]
    train(
        one.recipe,
        dataset,
        out / name,
        seed=one.seed,
        teacher=one.teacher,
        build=build,
        architecture=architecture,
        on_epoch=tell,
    )
    write_json(docs / "paper" / f"{name}.json", keep(out / name))


if __name__ == "__main__":
    run(app)
