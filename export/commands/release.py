"""The commands of those who maintain and publish weights: `ship`, `model-card`, `publish` and `publish-site`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, cast

import typer

from zoo.commands.completion import datasets, offer
from zoo.commands.options import AsJson, Licence, Named
from zoo.printing import say, say_json, status


def ship(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished training run.")],
    tag: Annotated[str, typer.Option(help="Name for the weights, such as cifar10.")],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="What it was trained and measured on: a key, such as cifar10, or any name; by default the run's.",
            autocompletion=offer(datasets),
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="Licence of the weights: an SPDX id that the Hub knows.")
    ] = "Apache-2.0",
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder to add the entry to; by default checkpoints/ of the clone.")
    ] = None,
) -> None:
    """Turn a finished training run into an entry of checkpoints/."""
    from export.release.entry import check_entry

    check_entry(run_folder, tag=tag, licence=licence)

    from export.release.ship import ship as write_entry

    say(f"{write_entry(run_folder, checkpoints, tag=tag, dataset=dataset, licence=licence)} written")


def model_card(
    check: Annotated[
        bool, typer.Option("--check", help="Check that the file is up to date instead of writing it.")
    ] = False,
    out: Annotated[Path, typer.Option(help="The file to write or check.")] = Path("MODEL_CARD.md"),
) -> None:
    """Write the model card of the whole zoo from the manifests of its weights."""
    if check and not out.is_file():
        raise FileNotFoundError(f"there is no file {out} to check; without --check it is written")

    from export.release.model_card import check_zoo_card, write_zoo_card

    if check:
        check_zoo_card(out)
    else:
        write_zoo_card(out)
    say(f"{out} {'is what it should be' if check else 'written'}")


def publish(
    bundle: Annotated[Path | None, typer.Argument(metavar="[BUNDLE]", help="The bundle's folder.")] = None,
    repo_id: Annotated[str | None, typer.Option(help="The repository, ORG/NAME; created if it does not exist.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Publish all weights in checkpoints/.")] = False,
    namespace: Annotated[
        str | None, typer.Option(help="With --all: the account to publish under, as NAMESPACE/MODEL-TAG.")
    ] = None,
    bundles: Annotated[Path, typer.Option(help="With --all: folder that the bundles are exported to.")] = Path(
        "build/bundles"
    ),
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[str, typer.Option(help="The branch to publish to.")] = "main",
    tag: Annotated[str | None, typer.Option(help="A tag for the commit, such as v1.")] = None,
    pull_request: Annotated[
        bool,
        typer.Option("--pull-request", help="Propose the bundle to the repository's owners instead of writing to it."),
    ] = False,
    licence: Licence = None,
    dataset: Named = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a bundle on the Hugging Face Hub in one commit, with the token of `hf auth login` or HF_TOKEN."""
    from export.bundle.sums import require_bundle
    from zoo.cards.licences import check_licence

    if everything and (licence or dataset):
        raise ValueError("--licence and --dataset are for a BUNDLE of your own; --all publishes what the registry says")
    if licence is not None:
        check_licence(licence)
    if everything and (bundle or repo_id or namespace is None or revision != "main" or pull_request):
        raise ValueError("--all goes with --namespace, and without BUNDLE, --repo-id, --revision and --pull-request")
    if not everything and (bundle is None or repo_id is None or namespace):
        raise ValueError("name a BUNDLE and its --repo-id, or publish all weights with --all --namespace ORG")
    if bundle is not None:
        require_bundle(bundle)

    from export.bundle.claims import Claims
    from export.bundle.restate import restate
    from export.commands.tables import print_publication
    from export.hub.publish import publish as publish_bundle

    options: dict[str, Any] = {"private": private, "tag": tag, "dry_run": dry_run}
    with status("publishing") as tell, ExitStack() as stack:
        options["on_stage"] = tell
        if bundle is not None and (licence or dataset):
            # What would be published is shown without changing the bundle.
            trial = Path(stack.enter_context(TemporaryDirectory()), bundle.resolve().name) if dry_run else None
            claims = Claims(licence=licence, dataset=dataset)
            bundle = restate(bundle, claims, trial, on_stage=tell)
        if everything:
            from export.release.publish_all import publish_zoo

            done = list(publish_zoo(str(namespace), bundles, **options))
        else:
            done = [
                publish_bundle(
                    cast(Path, bundle), str(repo_id), revision=revision, pull_request=pull_request, **options
                )
            ]
    if as_json:
        say_json([asdict(publication) for publication in done])
        return
    for publication in done:
        print_publication(publication, dry_run)


def publish_site(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The site that `make site` built: build/site.")],
    space: Annotated[str, typer.Option(help="The Space, ORG/NAME; created if it does not exist.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new Space private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a built site on the Hugging Face Hub as a static Space in one commit."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; `make site` builds build/site")

    from export.commands.tables import print_publication
    from export.site.publish import publish_site as publish

    with status("publishing") as tell:
        publication = publish(folder, space, private=private, dry_run=dry_run, on_stage=tell)
    if as_json:
        say_json(asdict(publication))
    else:
        print_publication(publication, dry_run)
