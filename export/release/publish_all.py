"""Publishing the whole zoo: a bundle and a repository for each set of weights that was trained here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from export.bundle.writer import export_bundle
from export.hub.publish import publish
from export.hub.push import Publication
from export.hub.remote import local_files
from export.layout import CONFIG
from zoo import Weight, load_weight
from zoo.files import read_json, write_json
from zoo.weights.record import MANIFEST, all_weights


def publish_zoo(
    namespace: str,
    bundles: Path,
    *,
    private: bool = False,
    tag: str | None = None,
    dry_run: bool = False,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Iterator[Publication]:
    """Publish every set of weights trained here, one after the other, as `NAMESPACE/MODEL-TAG`.

    Each repository is recorded in the manifest in `checkpoints/`, which tells installed packages where to fetch the
    weights. A failure stops before the next set.

    Args:
        namespace: the organisation or user.
        bundles: the folder of the bundles; those that exist already are published as they are.
        private: see `push`.
        tag: see `push`.
        dry_run: see `push`; the bundles are written all the same.
        on_stage: called with a description of each step.

    Raises:
        ValueError: a bundle's weights are not those of the manifest; also everything that `publish` raises.
    """
    for record in all_weights().values():
        if record.folder is None:  # the original authors' weights are not ours to publish
            continue
        name = f"{record.model}-{record.tag}"
        folder = bundles / name
        if not folder.exists():
            on_stage(f"exporting {name}")
            named = replace(record, repository=f"{namespace}/{name}", revision=None)  # the card names it
            export_bundle(load_weight(record, "dirac"), folder, record=named, formats=("all",))
        _require_same_weights(folder, record)
        if read_json(folder / CONFIG).get("repository") != f"{namespace}/{name}":
            raise ValueError(
                f"the card of {folder} names another repository; remove {folder} to have it exported again"
            )
        publication = publish(
            folder, f"{namespace}/{name}", private=private, tag=tag, dry_run=dry_run, on_stage=on_stage
        )
        if not dry_run:
            published = replace(record, repository=publication.repository, revision=publication.commit)
            write_json(record.folder / MANIFEST, published.to_manifest())
        yield publication


def _require_same_weights(folder: Path, record: Weight) -> None:
    """Raise ValueError unless a bundle's files match the manifest, against which installed packages check them."""
    files = local_files(folder)
    for form, file in record.files.items():
        if file.path not in files or files[file.path].sha256 != file.sha256:
            raise ValueError(
                f"{folder / file.path} is not the {form} form in the manifest of {record.model}:{record.tag}; remove "
                f"{folder} to have it exported again"
            )
