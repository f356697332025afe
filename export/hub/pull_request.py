"""A pull request on the Hub: what those may publish who must not write to the repository themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from export.hub.branch import Branch
from export.hub.remote import LocalFile, compare


@dataclass
class PullRequest(Branch):
    """The branch of a pull request that the Hub makes with the commit itself.

    The Hub opens another one at each call, so an open one that proposes the very same files is looked for first.
    """

    proposes: ClassVar[bool] = True
    number: int | None = None

    @property
    def url(self) -> str:
        return super().url if self.number is None else f"{super().url}/discussions/{self.number}"

    def fork(self, parent: str) -> None:
        """Do nothing: the Hub makes the branch."""

    def settle(
        self,
        operations: Sequence[CommitOperationAdd | CommitOperationDelete],
        message: str,
        local: Mapping[str, LocalFile],
        parent: str,
    ) -> str:
        """Open a pull request, unless there is one with these files; return its commit."""
        self.on_stage("opening a pull request")

        def attempt() -> str:
            if found := self._open(local):
                return found
            made = self.create_commit(operations, message, parent)
            self._is(made.pr_num)
            return made.oid

        return self.persist(attempt)

    def proposed(self, local: Mapping[str, LocalFile]) -> str | None:
        """Return the commit of an open pull request that proposes exactly these files; None if there is none."""
        self.on_stage("looking for an open pull request")
        return self.persist(lambda: self._open(local))

    def _open(self, local: Mapping[str, LocalFile]) -> str | None:
        requests = self.api.get_repo_discussions(
            self.repository, discussion_type="pull_request", discussion_status="open"
        )
        for request in requests:
            commit = self.api.model_info(self.repository, revision=f"refs/pr/{request.num}").sha
            if commit is not None and not compare(local, self.files(commit)):
                self._is(request.num)
                return commit
        return None

    def _is(self, number: int | None) -> None:
        self.number, self.revision = number, f"refs/pr/{number}"
