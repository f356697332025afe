"""A repository as publishing sees it: its files by size and hash, and what a bundle would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile

from export.bundle.sums import FOREIGN, UNLISTED, files_below, read_sums
from export.layout import SUMS
from zoo.files import git_sha1, sha256
from zoo.weights.hub import fetch

MODEL, SPACE = "model", "space"
"""What the Hub calls the kinds of repositories that are published here: of a net, and of a site."""


@dataclass(frozen=True)
class LocalFile:
    """A file of a bundle: size in bytes, its sha256, and the hash that Git gives it when it is not a large file."""

    size: int
    sha256: str
    git: str


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository: size in bytes, Git's hash of it, and its sha256 if it is a large file."""

    size: int
    git: str
    sha256: str | None

    def holds(self, local: LocalFile) -> bool:
        """Tell whether it has the bytes of a local file."""
        same = self.git == local.git if self.sha256 is None else self.sha256 == local.sha256
        return same and self.size == local.size


@dataclass(frozen=True)
class Changes:
    """What a commit would do to a repository, as sorted names of files."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.deleted)


def local_files(folder: Path) -> dict[str, LocalFile]:
    """Return a bundle's files by name; ValueError if one is a link, which might point anywhere."""
    names = files_below(folder)
    links = [name for name in names if any(part.is_symlink() for part in _parts(folder, name))]
    if links:
        raise ValueError(f"{folder} holds links: {', '.join(links)}; only files are published")
    return {name: _hashed(folder / name) for name in names}


def remote_files(api: HfApi, repository: str, commit: str, kind: str) -> dict[str, RemoteFile]:
    """Return a commit's files by name, without Git's own."""
    found = {}
    for entry in api.list_repo_tree(repository, recursive=True, revision=commit, repo_type=kind):
        if isinstance(entry, RepoFile) and entry.path.split("/")[0] not in FOREIGN:
            found[entry.path] = RemoteFile(entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None)
    return found


def compare(local: Mapping[str, LocalFile], remote: Mapping[str, RemoteFile]) -> Changes:
    """Return the changes that turn the remote files into the local ones."""
    both = sorted(local.keys() & remote.keys())
    return Changes(
        added=tuple(sorted(local.keys() - remote.keys())),
        changed=tuple(name for name in both if not remote[name].holds(local[name])),
        deleted=tuple(sorted(remote.keys() - local.keys())),
        unchanged=tuple(name for name in both if remote[name].holds(local[name])),
    )


def foreign_files(
    repository: str, commit: str, remote: Mapping[str, RemoteFile], doomed: tuple[str, ...], kind: str
) -> list[str]:
    """Return the doomed files that no earlier publication brought: the repository's SHA256SUMS does not list them."""
    if not doomed:
        return []
    brought: set[str] = set()
    if SUMS in remote:
        brought = read_sums(fetch(repository, SUMS, revision=commit, repo_type=kind)).keys() | UNLISTED
    return [name for name in doomed if name not in brought]


def _parts(folder: Path, name: str) -> list[Path]:
    parts = Path(name).parts
    return [folder.joinpath(*parts[: length + 1]) for length in range(len(parts))]


def _hashed(path: Path) -> LocalFile:
    return LocalFile(path.stat().st_size, sha256(path), git_sha1(path))
