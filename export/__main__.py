"""The `diracnet` command line: all commands, or `predict` alone where only diracnet-runtime is installed."""

from __future__ import annotations

from importlib.util import find_spec

from zoo.command_line import run


def main() -> None:
    """Run the command line. Exit status 1: a check failed or a picture could not be read; 2: the call was invalid."""
    run(_all if find_spec("export.commands.full") and find_spec("typer") else _predict)


def _all() -> None:
    from export.commands.full import app
    from zoo.commands.application import start

    start(app)


def _predict() -> None:
    from export.commands.alone import start

    start()


if __name__ == "__main__":
    main()
