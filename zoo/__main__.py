"""The zoo's commands: `python -m zoo`, and part of `diracnet`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import zoo
from zoo.command_line import run
from zoo.commands.application import application
from zoo.commands.catalogue import info, list_nets
from zoo.commands.evaluate import evaluate
from zoo.commands.train import train
from zoo.commands.upstream import import_upstream

COMMANDS: Mapping[str, Callable[..., None]] = {
    "list": list_nets,
    "info": info,
    "train": train,
    "evaluate": evaluate,
    "import-upstream": import_upstream,
}
"""Name → command, in the order in which the help lists them."""

app = application(COMMANDS, str(zoo.__doc__))


def main() -> None:
    """Run the zoo's commands."""
    run(app)


if __name__ == "__main__":
    main()
