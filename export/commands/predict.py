"""The command that classifies pictures."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

from export.layout import GRAPHS
from zoo.commands.completion import offer
from zoo.commands.declare import typer
from zoo.commands.options import AsJson, Mirror, Model


def predict(
    model: Model,
    images: Annotated[
        list[str], typer.Argument(help="Picture files, folders of them, http(s) addresses, or - for standard input.")
    ],
    top: Annotated[int, typer.Option(min=1, help="Number of classes to print per picture.")] = 5,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            "--form",
            help=f"Which graph of a bundle to run: {', '.join(GRAPHS)}; fp32 by default.",
            autocompletion=offer(lambda: GRAPHS),
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per batch.")] = 16,
    threads: Annotated[
        int, typer.Option(min=0, help="Threads for computing and for reading pictures; 0 means one per core.")
    ] = 0,
    providers: Annotated[
        str | None, typer.Option(help="ONNX Runtime execution providers, separated by commas; the CPU by default.")
    ] = None,
    mirror: Mirror = None,
    as_json: AsJson = False,
) -> None:
    """Classify pictures. Those that cannot be read are named, the others answered, and the exit status is then 1."""
    if find_spec("zoo.commands.arguments"):  # with diracnet-runtime alone there are no names to check
        from zoo.commands.arguments import check_model

        check_model(model, graphs=True)

    from export.commands.answering import open_net, print_answers

    chosen = [name.strip() for name in providers.split(",")] if providers is not None else None
    net = open_net(model, precision=precision, threads=threads, providers=chosen, mirror=mirror)
    print_answers(net, model, images, top=top, batch_size=batch_size, threads=threads, as_json=as_json)
