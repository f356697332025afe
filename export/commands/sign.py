"""The command that signs a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.printing import say


def sign(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's folder.")],
    key: Annotated[
        Path | None, typer.Option(help="The private key, PEM; DIRACNET_KEY_PASSWORD holds its password, if it has one.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="The certificate of the key, PEM.")] = None,
    chain: Annotated[
        list[Path] | None, typer.Option(help="A certificate between that one and the authority's; repeatable.")
    ] = None,
    keyless: Annotated[
        bool, typer.Option("--keyless", help="Without a key: Sigstore signs for the account that you log in with.")
    ] = False,
) -> None:
    """Sign a bundle with a key, or keyless through Sigstore, in the format of OpenSSF Model Signing."""
    from export.bundle.sums import require_bundle

    require_bundle(folder)
    if keyless == (key is not None):
        raise ValueError("name the private key with --key, or log in with --keyless")

    from export.bundle.signature import sign as sign_bundle

    say(f"{sign_bundle(folder, key=key, certificate=certificate, chain=chain or [])} written")
