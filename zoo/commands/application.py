"""Makes an application of commands: help that needs no PyTorch, `-h`, `--version` and shell completion."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from zoo.commands.bash import complete
from zoo.printing import say

_SHOWN = ("diracnet-zoo", "torch", "onnxruntime")


def application(commands: Mapping[str, Callable[..., None]], text: str) -> typer.Typer:
    """Return an application with these commands, by name, and this help text."""
    app = typer.Typer(
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_show_locals=False,  # some local variables of the Hub's client hold the token
        help=text,
    )
    app.callback()(_options)
    for name, command in commands.items():
        app.command(name)(command)
    return app


def start(app: typer.Typer) -> None:
    """Call an application, or let bash complete what is typed."""
    if os.environ.get("_DIRACNET_COMPLETE") == "complete_bash":
        complete(app, os.environ)
    else:
        app()


def _options(
    _: Annotated[
        bool,
        typer.Option("--version", help="Print the versions and exit.", is_eager=True, callback=lambda on: _tell(on)),
    ] = False,
) -> None:
    """Read the options that belong to no command."""


def _tell(wanted: bool) -> None:
    if wanted:
        say(", ".join([*map(_version, _SHOWN), f"Python {platform.python_version()}"]))
        raise typer.Exit


def _version(package: str) -> str:
    """Return a package and its version, which is looked up without importing it."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
