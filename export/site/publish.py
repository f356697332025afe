"""Publishing the site on the Hugging Face Hub, as a static Space, in one commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from export.bundle.sums import faults
from export.hub.push import Publication, push
from export.hub.remote import SPACE
from export.site.build import require_site


def publish_site(
    folder: str | Path,
    space: str,
    *,
    private: bool = False,
    dry_run: bool = False,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Publication:
    """Make a site that `make site` built the contents of a static Space; see `export.hub.push.push`.

    Args:
        folder: the site.
        space: `ORG/NAME`; created if it does not exist.
        private: create the Space so that only its owners see it.
        dry_run: only find out what would be done.
        on_stage: called with a description of each step.

    Raises:
        ValueError: the folder is no site, a file in it is not what SHA256SUMS says, or the Space holds somebody else's
            files.
        HubError: the Hub refused or failed.
    """
    folder = Path(folder)
    require_site(folder)
    on_stage(f"checking {folder}")
    if wrong := faults(folder):
        raise ValueError(f"{folder} is not as it was built: {wrong[0]}; build it again")
    return push(folder, space, kind=SPACE, private=private, dry_run=dry_run, on_stage=on_stage)
