"""The command that converts files of the original code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands.options import Force
from zoo.printing import say


def import_upstream(
    file: Annotated[Path, typer.Argument(help="A .pth or .safetensors file written by the original code.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")],
    final_relu: Annotated[
        bool | None,
        typer.Option(help="Whether the net has a ReLU before its average pool, which the file does not say."),
    ] = None,
    force: Force = False,
) -> None:
    """Convert weights of the original code (2017–18) to a checkpoint file."""
    from zoo.commands.arguments import check_out, own_file

    if not file.is_file():
        raise FileNotFoundError(f"no file {file}")
    check_out(out, own_file, force=force)

    from zoo.weights.upstream import read_upstream

    checkpoint = read_upstream(file, final_relu)
    checkpoint.save(out)
    say(f"{out}: {checkpoint.spec.name}, {checkpoint.form} form")
