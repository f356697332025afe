"""`make site`: builds the static site, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from export.site.build import build_site
from zoo.command_line import run
from zoo.printing import say, status


def main(
    out: Annotated[Path, typer.Argument(help="Folder to write; a site that is there already is replaced.")],
    bundles: Annotated[Path, typer.Option(help="Folder where bundles are kept between builds.")] = Path(
        "build/site-bundles"
    ),
    runtime: Annotated[Path | None, typer.Option(help="The npm package onnxruntime-web, installed.")] = None,
    guide: Annotated[Path | None, typer.Option(help="The built guide, to take along.")] = None,
    code: Annotated[str | None, typer.Option(help="Address of the code, for the footer.")] = None,
) -> None:
    """Build the site from checkpoints/, docs/ and site/."""
    with status("building") as tell:
        count = build_site(Path(), out, bundles=bundles, runtime=runtime, guide=guide, code=code or None, on_stage=tell)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file() and "bundles" not in path.parts)
    say(f"{out}: {count} nets, {size / 1e6:.1f} MB without the bundles")


if __name__ == "__main__":
    run(lambda: typer.run(main))
