"""`make release-check`: gathers a release in a folder, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from export.release.gather import gather
from zoo.command_line import run
from zoo.printing import say, status


def main(
    wheels: Annotated[Path, typer.Argument(help="Folder of the wheels.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; it must not exist.")],
    namespace: Annotated[str | None, typer.Option(help="The account on the Hub that the bundles' cards name.")] = None,
) -> None:
    """Gather wheels, bundles, notes and sums of a release."""
    with status("gathering") as tell:
        number = gather(Path(), wheels, out, namespace=namespace or None, on_stage=tell)
    say(f"{out}: version {number}")


if __name__ == "__main__":
    run(lambda: typer.run(main))
