"""The command that exports a net."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from export.formats.names import ALL, NAMES, QUANTIZED, choose_formats
from zoo.commands.completion import data, offer, offer_several
from zoo.commands.options import AsJson, Force, Licence, Mirror, Model, Named, Quiet, SkipDamaged, Verbose
from zoo.files import read_json
from zoo.printing import say, say_json, status


def export(
    model: Model,
    out: Annotated[Path, typer.Option(help="The folder to create.")],
    mirror: Mirror = None,
    formats: Annotated[
        str,
        typer.Option(
            "--formats",
            "--precision",
            help=f"Formats to write: {', '.join(NAMES)} or {ALL}, joined by commas. fp32 is always written.",
            autocompletion=offer_several(lambda: (*NAMES, ALL)),
        ),
    ] = "fp32",
    feature: Annotated[
        list[str] | None,
        typer.Option(help="A layer, such as group2, whose output the ONNX graphs give in addition to the logits."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="File with the names of the classes, one per line, for weights of your own.")
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="Pictures to calibrate int8 on, for weights of your own: a data set (its training half is used), a "
            "folder of pictures, or the word digits. By default the quantization.safetensors that lies with them.",
            autocompletion=offer(data),
        ),
    ] = None,
    skip_damaged: SkipDamaged = False,
    licence: Licence = None,
    dataset: Named = None,
    figures: Annotated[
        Path | None, typer.Option(help="Figures for the card: a file that diracnet evaluate --out wrote.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Export a net to a bundle: both forms, ONNX graphs, config, card, and the proof that they agree."""
    from export.bundle.sums import own_bundle
    from zoo.cards.licences import check_licence
    from zoo.commands.arguments import check_model, check_out
    from zoo.training.places import check_pictures

    check_model(model)
    check_out(out, own_bundle, force=force)
    names = choose_formats([name.strip() for name in formats.split(",")])
    if calibration is not None:
        if QUANTIZED.isdisjoint(names):
            raise ValueError("--calibration is for int8; add --formats int8 or all")
        check_pictures(calibration)
    elif skip_damaged:
        raise ValueError("--skip-damaged is for the pictures of --calibration; name them, or leave it out")
    if labels is not None and not labels.is_file():
        raise FileNotFoundError(f"no file of labels {labels}")
    if figures is not None and not figures.is_file():
        raise FileNotFoundError(f"no file of figures {figures}; diracnet evaluate --out writes one")
    if licence is not None:
        check_licence(licence)

    from export.bundle.claims import Claims
    from export.bundle.labels import relabel
    from export.bundle.writer import export_bundle
    from export.commands.tables import print_checks, print_files, summary
    from export.int8.source import quantization_beside, quantize_on
    from export.layout import REPORT
    from zoo.layout import UNTRAINED
    from zoo.reference import open_model

    claims = Claims(licence=licence, dataset=dataset, figures=figures)
    with status(f"loading {model}") as tell:
        source, record = open_model(model, mirror=mirror)
        source, record = claims.of(source, record)
        quantization = None
        if calibration is not None:
            quantization = quantize_on(
                source, calibration, skip_damaged=skip_damaged, on_layer=lambda layer: tell(f"quantizing {layer}")
            )
        elif not QUANTIZED.isdisjoint(names):
            quantization = quantization_beside(model, source, record)
        checks = export_bundle(
            source if labels is None else relabel(source, record, labels),
            out,
            record=record,
            formats=names,
            features=feature or (),
            quantization=quantization,
            replace=force,
            mirror=mirror,
            on_stage=tell,
        )
    if as_json:
        say_json(read_json(out / REPORT))
        return
    if quiet:
        return
    print_checks(checks, verbose=verbose)
    print_files(f"{model}{' (untrained)' if source.tag == UNTRAINED else ''}", out, verbose=verbose)
    say(summary(checks))
