"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zoo.commands.completion import data, forms, models, offer
from zoo.commands.declare import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="NAME:TAG, NAME (untrained), a checkpoint file, the folder of a run or bundle, or ORG/NAME on the Hub.",
        autocompletion=offer(models),
    ),
]
Mirror = Annotated[
    Path | None, typer.Option("--from", help="Folder to take the weights of NAME:TAG from instead of the Hub.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what --out names if this command wrote it.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print every check, not only those that failed.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
SkipDamaged = Annotated[
    bool, typer.Option("--skip-damaged", help="Leave out pictures that cannot be read; the result says which.")
]
Licence = Annotated[
    str | None,
    typer.Option(
        "--licence", "--license", help="Licence of weights of your own, for the card: an SPDX id, such as MIT."
    ),
]
Named = Annotated[
    str | None,
    typer.Option("--dataset", help="Name of the data set of weights of your own, for the card; ORG/NAME on the Hub."),
]

# Of `evaluate`, which the zoo and the export have.
TestData = Annotated[
    str,
    typer.Option(
        "--data",
        help="Folder with test/CLASS/*, NAME:FOLDER of a known data set, or the word digits.",
        autocompletion=offer(data),
    ),
]
Form = Annotated[
    str | None,
    typer.Option(
        help="Form to measure: dirac (the training form, the default) or folded.", autocompletion=offer(forms)
    ),
]
Confusion = Annotated[
    Path | None, typer.Option(help="Draw the confusion matrix to this file (.png), or write its numbers (.csv).")
]
TopErrors = Annotated[
    tuple[int, Path] | None,
    typer.Option(metavar="N FILE", help="Draw the N pictures that the net is most wrong about to a sheet (.png)."),
]
FiguresOut = Annotated[
    Path | None,
    typer.Option("--out", help="Write the figures to this file (.json), for the card: diracnet export --figures."),
]
