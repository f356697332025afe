"""What the Hub says about a file, its commit and its hash, kept for times without a connection."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from huggingface_hub import cached_assets_path, constants, get_hf_file_metadata, hf_hub_url

from zoo.files import git_sha1, read_json, sha256, write_json

_HASHES = {64: ("sha256", sha256), 40: ("Git hash", git_sha1)}
"""Kind of hash by number of digits: large files have the first as their ETag, others the second."""


@dataclass(frozen=True)
class Version:
    """A file in one commit of a repository.

    Args:
        commit: the commit, or another name of a revision if that is not known.
        etag: the hash of its bytes, in hexadecimal: the sha256 of a large file (LFS or Xet), Git's hash of any other.
    """

    commit: str
    etag: str

    @property
    def kind(self) -> str:
        """The name of the hash's kind; "" if it is of no known kind."""
        return _HASHES[len(self.etag)][0] if self._is_hash() else ""

    def digest(self, path: Path) -> str:
        """Return the hash, of the same kind, of the bytes at a path; the ETag itself if it is of no known kind."""
        return _HASHES[len(self.etag)][1](path) if self._is_hash() else self.etag

    def _is_hash(self) -> bool:
        return len(self.etag) in _HASHES and re.fullmatch(r"[0-9a-f]+", self.etag) is not None


def ask(
    repository: str,
    path: str,
    revision: str | None,
    repo_type: str | None = None,
    token: str | bool | None = None,
    endpoint: str | None = None,
) -> Version | None:
    """Return what the Hub says about a file; None if its answer lacks commit or ETag.

    Raises what huggingface_hub raises: its own errors, and those of the HTTP library beneath it.
    """
    url = hf_hub_url(repository, path, revision=revision, repo_type=repo_type, endpoint=endpoint)
    said = get_hf_file_metadata(url, token=token, endpoint=endpoint)
    return Version(said.commit_hash, said.etag) if said.commit_hash and said.etag else None


def remember(repository: str, path: str, revision: str | None, version: Version, repo_type: str | None = None) -> None:
    """Keep what the Hub said, for this revision and for its commit. If nothing can be written, nothing is kept."""
    for name in {revision or "main", version.commit}:
        if recall(repository, path, name, repo_type) != version:
            with suppress(OSError, ValueError):  # as in a cache that is mounted read-only
                told = {"repository": repository, "path": path, "revision": name, **asdict(version)}
                write_json(_file(repository, path, name, repo_type), told)


def recall(repository: str, path: str, revision: str | None, repo_type: str | None = None) -> Version | None:
    """Return what the Hub said last; None if that is not known."""
    try:
        kept = read_json(_file(repository, path, revision or "main", repo_type))
        return Version(str(kept["commit"]), str(kept["etag"]))
    except (OSError, ValueError, KeyError):
        return None


def _file(repository: str, path: str, revision: str, repo_type: str | None) -> Path:
    # A model and a space may have the same name. The hash is there because all of these may have any characters.
    whole = "\n".join((constants.REPO_TYPES_URL_PREFIXES.get(repo_type or "", "") + repository, revision, path))
    name = hashlib.sha256(whole.encode()).hexdigest()
    assets = constants.HF_ASSETS_CACHE
    return cached_assets_path("diracnet-zoo", repository, "etags", assets_dir=assets) / f"{name}.json"
