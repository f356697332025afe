"""The `diracnet` command line: the export's commands are defined here, the zoo's come from `zoo.__main__`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from export.commands.verify import verify
from export.layout import GRAPHS, REPORT
from zoo.commands.options import AsJson, Mirror, Model


class _WithZoo(TyperGroup):
    """Looks up commands here first and only then in the zoo, so that `predict` need not wait for PyTorch's import."""

    # Any, because contexts and commands are click's classes in older releases of typer and its own in newer ones.
    def list_commands(self, ctx: Any) -> list[str]:
        return [*_zoo().list_commands(ctx), *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, cmd_name) or _zoo().get_command(ctx, cmd_name)


def _zoo() -> TyperGroup:
    from zoo.__main__ import app as zoo_app

    return cast(TyperGroup, typer.main.get_command(zoo_app))


app = typer.Typer(
    cls=_WithZoo,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # some local variables of the Hub's client hold the token
    help="DiracNets: train them, load them, fold them, export them with proof, run them.",
)


@app.command()
def export(
    model: Model,
    out: Annotated[Path, typer.Option(help="The folder to create.")],
    mirror: Mirror = None,
    formats: Annotated[
        str,
        typer.Option(
            "--formats",
            "--precision",
            help=f"Formats to write: {', '.join(GRAPHS)} or all, joined by commas. fp32 is always written.",
        ),
    ] = "fp32",
    feature: Annotated[
        list[str] | None,
        typer.Option(help="A layer, such as group2, whose output the graphs give in addition to the logits."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="File with the names of the classes, one per line, for weights of your own.")
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="Pictures to calibrate int8 on, for weights of your own: a data set (its training half is used), a "
            "folder of pictures, or the word digits."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export a net to a bundle: both forms, ONNX graphs, config, card, and the proof that they agree."""
    from rich.console import Console
    from rich.markup import escape

    from export.bundle.labels import relabel
    from export.bundle.writer import export_bundle
    from export.commands.tables import print_checks
    from export.formats.table import FORMATS, choose_formats
    from export.int8.source import quantize_on
    from zoo.reference import open_model

    names = [name.strip() for name in formats.split(",")]
    if calibration is not None and not any(FORMATS[name].needs_quantization for name in choose_formats(names)):
        raise ValueError("--calibration is for int8; add --formats int8 or all")
    with Console(stderr=True).status(escape(f"loading {model}")) as status:
        source, record = open_model(model, mirror=mirror)
        quantization = None
        if calibration is not None:
            tell = lambda layer: status.update(escape(f"quantizing {layer}"))  # noqa: E731
            quantization = quantize_on(source, calibration, on_layer=tell)
        checks = export_bundle(
            source if labels is None else relabel(source, record, labels),
            out,
            record=record,
            formats=names,
            features=feature or (),
            quantization=quantization,
            on_stage=lambda text: status.update(escape(text)),
        )
    if as_json:
        print((out / REPORT).read_text(encoding="utf-8"), end="")
        return
    print_checks(checks)
    print(f"{out}: {model}{' (untrained)' if source.tag == 'untrained' else ''}, {len(checks)} checks passed")


app.command()(verify)


@app.command()
def quantize(
    model: Annotated[str, typer.Argument(help="NAME:TAG or a checkpoint file.")],
    calibration: Annotated[
        str,
        typer.Option(help="Pictures to calibrate on: a data set (its training half), a folder, or the word digits."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write; by default the one that belongs to NAME:TAG in checkpoints/."),
    ] = None,
) -> None:
    """Calibrate a net for int8 and write its quantization, from which int8 files are made without pictures."""
    from rich.console import Console
    from rich.markup import escape

    from export.int8.source import quantize_on, ship_quantization
    from zoo.reference import open_model

    if out is not None and out.exists():
        raise ValueError(f"{out} exists already; remove it, or name another file")
    log = Console(stderr=True)
    with log.status(escape(f"loading {model}")) as status:
        source, record = open_model(model)
        if out is None and record is None:
            raise ValueError(f"{model} is not one of the registry's weights, so name the file to write with --out")
        quantization = quantize_on(
            source, calibration, on_layer=lambda layer: status.update(escape(f"quantizing {layer}"))
        )
    if out is None:
        out = ship_quantization(cast(Any, record), quantization)
    else:
        quantization.save(out)
    print(f"{out}: {model} in int8, calibrated on {quantization.calibration['pictures']} pictures")


@app.command()
def ship(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished training run.")],
    tag: Annotated[str, typer.Option(help="Name for the weights, such as cifar10.")],
    dataset: Annotated[str, typer.Option(help="Key of the data set it was trained and measured on, such as cifar10.")],
    licence: Annotated[str, typer.Option(help="Licence of the weights (SPDX id).")] = "Apache-2.0",
    checkpoints: Annotated[Path, typer.Option(help="Folder of checkpoints to add the entry to.")] = Path("checkpoints"),
) -> None:
    """Turn a finished training run into an entry of checkpoints/."""
    from export.release.ship import ship as write_entry

    print(f"{write_entry(run_folder, checkpoints, tag=tag, dataset=dataset, licence=licence)} written")


@app.command()
def predict(
    model: Annotated[
        str, typer.Argument(help="A bundle, an .onnx file, ORG/NAME on the Hub (none needs PyTorch), or NAME:TAG.")
    ],
    images: Annotated[list[Path], typer.Argument(help="Picture files, or folders, whose pictures are all classified.")],
    top: Annotated[int, typer.Option(min=1, help="Number of classes to print per picture.")] = 5,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", "--form", help=f"Which graph of a bundle to run: {', '.join(GRAPHS)}; fp32 by default."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per batch.")] = 16,
    threads: Annotated[
        int, typer.Option(min=0, help="Threads for computing and for reading pictures; 0 means one per core.")
    ] = 0,
    providers: Annotated[
        str | None, typer.Option(help="ONNX Runtime execution providers, separated by commas; the CPU by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Classify pictures. Those that cannot be read are named, the others answered, and the exit status is then 1."""
    from export.commands.predict import open_net, print_answers

    chosen = [name.strip() for name in providers.split(",")] if providers is not None else None
    net = open_net(model, precision=precision, threads=threads, providers=chosen)
    print_answers(net, model, images, top=top, batch_size=batch_size, threads=threads, as_json=as_json)


@app.command("model-card")
def model_card(
    check: Annotated[
        bool, typer.Option("--check", help="Check that the file is up to date instead of writing it.")
    ] = False,
    out: Annotated[Path, typer.Option(help="The file to write or check.")] = Path("MODEL_CARD.md"),
) -> None:
    """Write the model card of the whole zoo from the manifests of its weights."""
    from export.release.model_card import check_zoo_card, write_zoo_card

    if check:
        check_zoo_card(out)
    else:
        write_zoo_card(out)
    print(f"{out} {'is what it should be' if check else 'written'}")


@app.command()
def publish(
    bundle: Annotated[Path | None, typer.Argument(metavar="[BUNDLE]", help="The bundle's folder.")] = None,
    repo_id: Annotated[str | None, typer.Option(help="The repository, ORG/NAME; created if it does not exist.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Publish all weights in checkpoints/.")] = False,
    namespace: Annotated[
        str | None, typer.Option(help="With --all: the account to publish under, as NAMESPACE/MODEL-TAG.")
    ] = None,
    bundles: Annotated[Path, typer.Option(help="With --all: folder that the bundles are exported to.")] = Path(
        "build/bundles"
    ),
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[str, typer.Option(help="The branch to publish to.")] = "main",
    tag: Annotated[str | None, typer.Option(help="A tag for the commit, such as v1.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a bundle on the Hugging Face Hub in one commit, with the token of `hf auth login` or HF_TOKEN."""
    from rich.console import Console
    from rich.markup import escape

    from export.commands.tables import print_publication
    from export.hub.publish import publish as publish_bundle
    from export.release.publish_all import publish_zoo

    if everything and (bundle or repo_id or namespace is None or revision != "main"):
        raise ValueError("--all goes with --namespace, and without BUNDLE, --repo-id and --revision")
    if not everything and (bundle is None or repo_id is None or namespace):
        raise ValueError("name a BUNDLE and its --repo-id, or publish all weights with --all --namespace ORG")
    options: dict[str, Any] = {"private": private, "tag": tag, "dry_run": dry_run}
    with Console(stderr=True).status("publishing") as status:
        options["on_stage"] = lambda text: status.update(escape(text))
        if everything:
            done = list(publish_zoo(str(namespace), bundles, **options))
        else:
            done = [publish_bundle(cast(Path, bundle), str(repo_id), revision=revision, **options)]
    if as_json:
        print(json.dumps([asdict(publication) for publication in done], indent=2))
        return
    for publication in done:
        print_publication(publication, dry_run)


def main() -> None:
    """Run the command line. Exit status 1: a check failed or a picture could not be read; 2: the call was invalid."""
    from zoo.command_line import run

    run(app)


if __name__ == "__main__":
    main()
