"""Publishing a bundle on the Hugging Face Hub: verified first, then pushed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from export.bundle.audit import verify
from export.hub.push import Publication, push
from export.layout import CONFIG
from zoo.files import read_json


def publish(
    folder: str | Path,
    repository: str,
    *,
    private: bool = False,
    revision: str = "main",
    tag: str | None = None,
    pull_request: bool = False,
    dry_run: bool = False,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Publication:
    """Verify a bundle and make it the contents of a repository; see `push`.

    Raises:
        FileNotFoundError: the folder is not a bundle.
        VerificationError: its files are not what they should be.
        ValueError: its weights are untrained, or it holds links.

    Example:
        >>> import export
        >>> export.publish("no/such/bundle", "me/net", dry_run=True)
        Traceback (most recent call last):
        ...
        FileNotFoundError: no/such/bundle is not a bundle: it has no SHA256SUMS
    """
    folder = Path(folder)
    on_stage(f"verifying {folder}")
    verify(folder)
    if read_json(folder / CONFIG)["untrained"]:
        raise ValueError(f"{folder} holds untrained weights, which nobody can use; publish trained ones")
    return push(
        folder,
        repository,
        private=private,
        revision=revision,
        tag=tag,
        pull_request=pull_request,
        dry_run=dry_run,
        on_stage=on_stage,
    )
