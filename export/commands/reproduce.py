"""The command that makes a bundle again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands.options import AsJson, Quiet
from zoo.printing import note, say, say_json, say_table, status


def reproduce(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's folder.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="The weights it was made of, if not the registry's: a checkpoint file, a folder or ORG/NAME.",
        ),
    ] = None,
    as_json: AsJson = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List equal files too.")] = False,
    quiet: Quiet = False,
) -> None:
    """Make a bundle again from its own provenance, and compare byte by byte. Exit status 1 if a file differs."""
    from export.bundle.sums import require_bundle

    require_bundle(folder)

    from export.bundle.reproduce import EQUAL
    from export.bundle.reproduce import reproduce as make_again
    from export.proof.check import VerificationError

    with status(f"reproducing {folder}") as tell:
        done = make_again(folder, source, on_stage=tell)
    if as_json:
        say_json(
            {
                "reproduced": not done.failed,
                "command": done.command,
                "files": dict(done.files),
                "notes": list(done.notes),
            }
        )
    elif not quiet:
        for text in done.notes:
            note(f"note: {text}")
        rows = [row for row in done.files.items() if verbose or row[1] != EQUAL]
        if rows:
            say_table(("file", "made again"), rows)
    if done.failed:
        told = ", ".join(f"{name} is {result}" for name, result in done.failed.items())
        raise VerificationError(f"{folder} is not what its provenance makes: {told}")
    if not (as_json or quiet):
        same = sum(result == EQUAL for result in done.files.values())
        say(f"{folder}: reproduced; {same} of {len(done.files)} files are equal byte for byte")
