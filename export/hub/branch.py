"""A branch of a repository on the Hub: the requests that publishing makes, retried after transient failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo, SpaceInfo
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from export.hub.remote import MODEL, SPACE, Changes, LocalFile, RemoteFile, compare, remote_files
from export.hub.xet import has_xet, rewind, sources, uses_xet
from zoo.weights.hub import HubError, is_transient, root, status_of

MAIN = "main"
T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """The retry policy for an overloaded Hub: number of attempts, and seconds between them.

    The wait starts at `first` and doubles; if the Hub says how long to wait, that counts instead, up to `longest`.
    """

    attempts: int = 5
    first: float = 1.0
    longest: float = 310.0  # the Hub counts requests in windows of five minutes


@dataclass
class Branch:
    """One branch of a repository; call `head` first to find out whether it exists and is private."""

    api: HfApi
    repository: str
    revision: str
    patience: Patience
    on_stage: Callable[[str], None]
    kind: str = MODEL
    private: bool = False
    exists: bool = False
    proposes: ClassVar[bool] = False
    """Whether commits become pull requests; see `export.hub.pull_request`."""

    @property
    def url(self) -> str:
        return f"{self.api.endpoint}/{'spaces/' if self.kind == SPACE else ''}{self.repository}"

    def head(self) -> str | None:
        """Return the branch's commit; main's if the branch does not exist, None if the repository does not."""
        self.on_stage(f"asking for {self.repository}")
        for revision in (self.revision, MAIN):
            try:
                info = self.persist(lambda: self._info(revision))  # noqa: B023
            except RevisionNotFoundError:
                continue
            except RepositoryNotFoundError as error:
                if status_of(error) == 403:  # it exists, but is gated
                    raise
                return None
            self.private, self.exists = bool(info.private), revision == self.revision
            return info.sha
        return None

    def files(self, commit: str) -> dict[str, RemoteFile]:
        """Return a commit's files by name, without Git's own."""
        return self.persist(lambda: remote_files(self.api, self.repository, commit, self.kind))

    def create(self, private: bool) -> str:
        """Create the repository; return its first commit."""
        self.on_stage(f"creating {self.repository}")
        sdk: dict[str, Any] = {"space_sdk": "static"} if self.kind == SPACE else {}
        self.persist(
            lambda: self.api.create_repo(
                self.repository, private=private or None, repo_type=self.kind, exist_ok=True, **sdk
            )
        )
        head = self.head()
        if head is None:
            raise HubError(f"the Hub created {self.repository}, but does not show it; call again later")
        return head

    def fork(self, parent: str) -> None:
        """Create the branch at a commit, unless `head` found it."""
        if not self.exists:
            self.on_stage(f"creating the branch {self.revision}")
            make = self.api.create_branch
            options: dict[str, Any] = {"branch": self.revision, "revision": parent, "repo_type": self.kind}
            self.persist(lambda: make(self.repository, exist_ok=True, **options))

    def commit(self, folder: Path, local: Mapping[str, LocalFile], changes: Changes, parent: str) -> str:
        """Upload what changes and commit it on top of `parent`; return the commit."""
        names = (*changes.added, *changes.changed)
        size = sum(local[name].size for name in names)
        self.on_stage(f"uploading {len(names)} files, {size / 1e6:.1f} MB")
        with ExitStack() as opened:
            additions = self._additions(folder, names, opened)
            # Large files stay invisible on the Hub until a commit names them.
            self.persist(lambda: self._upload(additions))
            deletions = [CommitOperationDelete(name) for name in changes.deleted]
            message = f"Publish {folder.resolve().name} with diracnet-zoo"
            return self.settle([*additions, *deletions], message, local, parent)

    def _additions(self, folder: Path, names: tuple[str, ...], opened: ExitStack) -> list[CommitOperationAdd]:
        """Return the operations that add files; large ones go through Xet or, if the Hub lacks it, through LFS."""
        large = bool(names) and uses_xet()
        where = (self.api.endpoint, f"{self.kind}s/{self.repository}", self.revision)
        xet = large and self.persist(lambda: has_xet(*where, self.proposes))
        files = sources([folder / name for name in names], xet or not large, opened)
        return [CommitOperationAdd(name, file) for name, file in zip(names, files, strict=True)]

    def _upload(self, additions: Sequence[CommitOperationAdd]) -> None:
        rewind(additions)
        self.api.preupload_lfs_files(
            self.repository,
            additions,
            repo_type=self.kind,
            revision=self.revision,
            create_pr=self.proposes,
            free_memory=False,
        )

    def settle(
        self,
        operations: Sequence[CommitOperationAdd | CommitOperationDelete],
        message: str,
        local: Mapping[str, LocalFile],
        parent: str,
    ) -> str:
        """Commit, unless an earlier attempt did so and its answer got lost; return the commit."""
        self.on_stage("committing")

        def attempt() -> str:
            head = self._now()
            if head != parent:
                return self._settled(local, head)
            try:
                return self.create_commit(operations, message, parent).oid
            except Exception as error:
                if status_of(error) != 412:
                    raise
                return self._settled(local, self._now())

        return self.persist(attempt)

    def create_commit(
        self, operations: Sequence[CommitOperationAdd | CommitOperationDelete], message: str, parent: str
    ) -> CommitInfo:
        """Ask the Hub for one commit on top of `parent`."""
        rewind(operations)
        return self.api.create_commit(
            self.repository,
            operations,
            commit_message=message,
            repo_type=self.kind,
            revision=self.revision,
            parent_commit=parent,
            create_pr=self.proposes,
        )

    def _now(self) -> str:
        """Return the branch's current commit."""
        return str(self._info(self.revision).sha)

    def _info(self, revision: str) -> ModelInfo | SpaceInfo:
        ask = self.api.space_info if self.kind == SPACE else self.api.model_info
        return ask(self.repository, revision=revision)

    def _settled(self, local: Mapping[str, LocalFile], head: str) -> str:
        """Return a head other than the parent if it is ours: the commit was made, but the Hub's answer got lost."""
        if compare(local, self.files(head)):
            raise HubError(
                f"somebody else changed the branch {self.revision} of {self.repository} meanwhile; look at it, then "
                "call again"
            )
        return head

    def tag_target(self, tag: str) -> str | None:
        """Return the commit that a tag points to, or None."""
        refs = self.persist(lambda: self.api.list_repo_refs(self.repository, repo_type=self.kind))
        return next((ref.target_commit for ref in refs.tags if ref.name == tag), None)

    def tag(self, tag: str, commit: str) -> None:
        """Tag a commit."""
        self.on_stage(f"tagging {tag}")
        options: dict[str, Any] = {"tag": tag, "revision": commit, "repo_type": self.kind}
        self.persist(lambda: self.api.create_tag(self.repository, exist_ok=True, **options))
        if self.tag_target(tag) != commit:
            raise HubError(f"the tag {tag!r} of {self.repository} was given to another commit meanwhile")

    def persist(self, request: Callable[[], T]) -> T:
        """Return what a request returns, retrying it after transient failures."""
        wait, left = self.patience.first, self.patience.attempts
        while True:
            try:
                return request()
            except Exception as error:  # noqa: PERF203 (a request takes longer)
                asked, left = _retry_after(error), left - 1
                if not is_transient(root(error)) or left <= 0 or asked > self.patience.longest:
                    raise
                time.sleep(max(wait, asked))
                wait *= 2


def _retry_after(error: BaseException) -> float:
    """Return how many seconds the Hub asked clients to wait."""
    value = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", "")
    return float(value) if value.isdigit() else 0.0
