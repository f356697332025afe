"""The command that verifies a bundle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands.completion import data as data_sets
from zoo.commands.completion import offer
from zoo.commands.options import AsJson, Quiet, Verbose
from zoo.printing import note, progress, say, say_json, status


def verify(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's folder.")],
    expect: Annotated[
        str | None, typer.Option(help="Expected sha256 of its SHA256SUMS, from a source that you trust.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Also measure accuracy on the test pictures of a data set: a folder with test/, or the word digits.",
            autocompletion=offer(data_sets),
        ),
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Also verify the signature, with the public key (PEM) of a signer you trust.")
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option(help="Also verify the signature, with the certificate (PEM) of an authority."),
    ] = None,
    identity: Annotated[
        str | None, typer.Option(help="The same for a keyless signature: the account, with --issuer. Needs a network.")
    ] = None,
    issuer: Annotated[str | None, typer.Option(help="With --identity: who vouched for it, an address.")] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Verify a bundle: its hashes, whether its files agree, and what they compute. Exit status 1 if a check fails."""
    from export.bundle.sums import require_bundle
    from zoo.training.places import check_dataset

    require_bundle(folder)
    if data is not None:
        check_dataset(data, halves=("test",))
    if (identity is None) != (issuer is None):
        raise ValueError("--identity and --issuer go together")
    checks = []
    if public_key or authority or identity:
        from export.bundle.signature import check_signature

        named = (identity, issuer) if identity and issuer else None
        checks.append(check_signature(folder, public_key=public_key, authority=authority, identity=named))

    from export.bundle.audit import audit
    from export.commands.tables import print_accuracies, print_checks, summary
    from export.proof.check import require

    with status(f"verifying {folder}") as tell:
        for check in audit(folder, expect):
            tell(f"verifying {folder}: {check.title}")
            checks.append(check)
    accuracies: list[Any] = []
    if data is not None and all(check.passed for check in checks):
        accuracies, more = _measure(folder, data)
        checks += more
    if as_json:
        report = {
            "checks": [{**asdict(check), "passed": check.passed} for check in checks],
            "accuracy": [asdict(accuracy) for accuracy in accuracies],
        }
        say_json(report)
    elif not quiet:
        print_checks(checks, verbose=verbose)
        for check in checks:
            if check.passed and check.limit == 0 and check.note:  # what was not checked
                note(f"note: {check.note}")
        if accuracies:
            print_accuracies(accuracies)
    require(checks)
    if not (as_json or quiet):
        say(f"{folder}: {summary(checks)}")


def _measure(folder: Path, data: str) -> tuple[list[Any], list[Any]]:
    """Measure each graph, showing a progress bar; return the accuracies and the checks of them."""
    from export.bundle.accuracy import check_accuracy, graph_paths, load_pictures, measure
    from export.bundle.reader import OpenBundle

    bundle = OpenBundle(folder)
    with status(f"reading {data}"):
        pictures = load_pictures(bundle, data)
    with progress(transient=True) as bars:
        bar = bars.add_task("measuring", total=len(pictures) * len(graph_paths(bundle)))
        accuracies = list(measure(bundle, pictures, lambda done: bars.advance(bar, done)))
    return accuracies, list(check_accuracy(bundle, pictures, accuracies))
