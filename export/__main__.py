"""The `diracnet` command line: the zoo's commands and the export's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from export.commands.export import export
from export.commands.predict import predict
from export.commands.quantize import quantize
from export.commands.release import model_card, publish, ship
from export.commands.verify import verify
from zoo.__main__ import COMMANDS as ZOO
from zoo.command_line import run
from zoo.commands.application import application, start

COMMANDS: Mapping[str, Callable[..., None]] = {
    **ZOO,
    "export": export,
    "verify": verify,
    "predict": predict,
    "quantize": quantize,
    "ship": ship,
    "model-card": model_card,
    "publish": publish,
}
"""Name → command, in the order in which the help lists them."""

app = application(COMMANDS, "DiracNets: train them, load them, fold them, export them with proof, run them.")


def main() -> None:
    """Run the command line. Exit status 1: a check failed or a picture could not be read; 2: the call was invalid."""
    run(partial(start, app))


if __name__ == "__main__":
    main()
