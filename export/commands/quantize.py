"""The command that calibrates a net for int8."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from zoo.commands.completion import data, offer
from zoo.commands.options import Force, Model, SkipDamaged
from zoo.printing import say, status


def quantize(
    model: Model,
    calibration: Annotated[
        str,
        typer.Option(
            help="Pictures to calibrate on: a data set (its training half), a folder, or the word digits.",
            autocompletion=offer(data),
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write; by default the one that belongs to NAME:TAG in checkpoints/."),
    ] = None,
    skip_damaged: SkipDamaged = False,
    force: Force = False,
) -> None:
    """Calibrate a net for int8 and write its quantization, from which int8 files are made without pictures."""
    from zoo.commands.arguments import check_model, check_out, own_file
    from zoo.training.places import check_pictures

    check_model(model)
    if out is not None:
        check_out(out, own_file, force=force)
    check_pictures(calibration)

    from export.int8.source import quantize_on, ship_quantization, shipped_folder
    from zoo.reference import open_model

    with status(f"loading {model}") as tell:
        source, record = open_model(model)
        if out is None and record is None:
            raise ValueError(f"{model} is not one of the registry's weights, so name the file to write with --out")
        if out is None:
            shipped_folder(cast(Any, record))
        quantization = quantize_on(
            source,
            calibration,
            skip_damaged=skip_damaged,
            on_layer=lambda layer: tell(f"quantizing {layer}"),
        )
    if out is None:
        out = ship_quantization(cast(Any, record), quantization)
    else:
        quantization.save(out)
    made_on = quantization.calibration
    left_out = f"; {len(made_on['skipped'])} damaged ones were left out" if "skipped" in made_on else ""
    say(f"{out}: {model} in int8, calibrated on {made_on['pictures']} pictures{left_out}")
