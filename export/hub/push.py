"""Makes a folder the contents of a repository on the Hub, in a single commit or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import HfApi, constants

from export.hub.branch import MAIN, Branch, Patience
from export.hub.pull_request import PullRequest
from export.hub.remote import MODEL, Changes, LocalFile, compare, foreign_files, local_files
from zoo.weights.hub import HubError, plain_errors, without_token
from zoo.weights.reference import Hub


@dataclass(frozen=True)
class Publication:
    """What publishing did, or would do: `commit` is None if there is no repository yet.

    Of a pull request, `url` is its page and `revision` its branch, such as refs/pr/1.
    """

    repository: str
    url: str
    revision: str
    commit: str | None
    tag: str | None
    created: bool
    changes: Changes
    files: Mapping[str, LocalFile]


def push(
    folder: Path,
    repository: str,
    *,
    private: bool = False,
    kind: str = MODEL,
    revision: str = MAIN,
    tag: str | None = None,
    pull_request: bool = False,
    dry_run: bool = False,
    patience: Patience = Patience(),  # noqa: B008 (frozen)
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Publication:
    """Make the files of a folder, unchanged, the contents of a repository, in one commit.

    Afterwards the branch holds either what it held before or exactly these files; calling again completes what a
    failure left undone, and changes nothing if everything is done. Files of an earlier bundle that this one lacks are
    deleted in the same commit. The token comes from `hf auth login` or HF_TOKEN.

    Args:
        folder: the folder with the files.
        repository: `ORG/NAME`; created if it does not exist.
        private: create the repository so that only its owners see it.
        kind: "model", or "space" for a static site, which goes without `pull_request`.
        revision: the branch; created from main if it does not exist.
        tag: a name for the commit.
        pull_request: propose the files to the repository's owners instead of changing a branch; the token then needs
            no right to write. If an open pull request has these very files, it is returned.
        dry_run: only find out what would be done.
        patience: the retry policy for an overloaded Hub.
        on_stage: called with a description of each step.

    Raises:
        HubError: the Hub refused or failed; the message says why and what to do.
        ValueError: the repository holds somebody else's files, is public though `private` is asked for, or has
            the tag on another commit.
    """
    if Hub.parse(repository) != Hub(repository):
        raise ValueError(f"{repository!r} names no repository: it must be ORG/NAME, such as me/diracnet16-cifar10")
    if pull_request and (tag is not None or private or revision != MAIN):
        raise ValueError(
            "pull_request goes without tag, private and revision: the Hub opens pull requests to main, and only their "
            "owners can tag what they accept"
        )
    if constants.HF_HUB_OFFLINE:
        raise ValueError("HF_HUB_OFFLINE is set, and nothing is published without a network; unset it")
    local = local_files(folder)
    with plain_errors(repository, f"cannot publish to {repository}"), _log_without_token():
        branch = (PullRequest if pull_request else Branch)(HfApi(), repository, revision, patience, on_stage, kind)
        head = branch.head()
        created = head is None
        if head is None and pull_request:
            raise ValueError(
                f"there is no {repository} to open a pull request in, or it is private and the token in use may not "
                "see it"
            )
        if head is None and not dry_run:
            head = branch.create(private)
        if head is None:
            return Publication(repository, branch.url, revision, None, tag, True, compare(local, {}), local)
        if private and not branch.private:
            raise ValueError(f"{repository} is public already; make it private in its settings, or leave out --private")
        remote = branch.files(head)
        changes = compare(local, remote)
        if foreign := foreign_files(repository, head, remote, changes.deleted, kind):
            raise ValueError(
                f"{repository} holds files that no publication brought: {', '.join(foreign)}; publishing would delete "
                "them. Remove them by hand, or choose another repository"
            )
        tagged = None if tag is None else branch.tag_target(tag)
        if tagged is not None and (changes or tagged != head):
            raise ValueError(f"{repository} has a tag {tag!r} on another commit; choose another name")
        published = Publication(repository, branch.url, revision, head, tag, created, changes, local)
        if isinstance(branch, PullRequest) and changes and (proposed := branch.proposed(local)):
            return replace(published, url=branch.url, revision=branch.revision, commit=proposed)
        if dry_run:
            return published
        branch.fork(head)
        commit = branch.commit(folder, local, changes, head) if changes else head
        on_stage("reading the hashes back")
        if wrong := compare(local, branch.files(commit)):
            raise HubError(f"{repository} at {commit} is not what was sent: {wrong}; publish again")
        if tag is not None and tagged is None:
            branch.tag(tag, commit)
        return replace(published, url=branch.url, revision=branch.revision, commit=commit)


class _WithoutToken(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_token(record.getMessage()), ()
        return True


@contextmanager
def _log_without_token() -> Iterator[None]:
    """Redact the token in what huggingface_hub logs within the block, because it repeats what servers say."""
    handlers = logging.getLogger("huggingface_hub").handlers
    mask = _WithoutToken()
    for handler in handlers:
        handler.addFilter(mask)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(mask)
