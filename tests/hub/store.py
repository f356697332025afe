"""What the test server holds: repositories of immutable commits, large files by their sha256, branches and tags."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field

from xet import Xet

LARGE = (".safetensors", ".onnx", ".bin", ".pth")
"""Endings that the Hub keeps as large files (LFS) whatever their size."""


class RefusedError(Exception):
    """A request that the Hub answers with an error."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Entry:
    """A file in a commit: its bytes' sha256 and size, Git's hash of what Git stores, and whether it is large."""

    sha256: str
    size: int
    oid: str
    large: bool

    def listed(self, path: str) -> dict:
        """What tree and paths-info say about it, but for its Xet hash."""
        lfs = {"lfs": {"oid": self.sha256, "size": self.size, "pointerSize": 134}} if self.large else {}
        return {"type": "file", "path": path, "oid": self.oid, "size": self.size, **lfs}

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.oid


@dataclass
class Repository:
    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, Entry]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pull_requests: int = 0

    def resolve(self, revision: str) -> str:
        commit = self.branches.get(revision) or self.tags.get(revision) or revision
        if commit not in self.commits:
            raise RefusedError(404, f"no revision {revision}", "RevisionNotFound")
        return commit

    def append(self, branch: str, files: dict[str, Entry], message: str) -> str:
        """Make a commit the branch's head, in one step."""
        told = json.dumps([len(self.commits), self.branches.get(branch), message, sorted(files)])
        commit = hashlib.sha1(told.encode()).hexdigest()  # noqa: S324
        self.commits[commit] = files
        self.branches[branch] = commit
        return commit


class Store:
    """All repositories. A large file is `uploaded`; verified it waits in `objects` until a commit names it."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.uploaded: dict[str, bytes] = {}
        self.lock = threading.RLock()
        self.xet: Xet | None = None
        self.turn_xet(True)

    def turn_xet(self, on: bool) -> None:
        """Keep large files in Xet storage too, or have none, as Hubs other than the real one."""
        if on != (self.xet is not None):
            self.xet = Xet() if on else None

    def xet_hash(self, entry: Entry) -> str | None:
        """Return the Xet hash of a file; None of small ones, and where there is no such storage."""
        if self.xet is None or not entry.large:
            return None
        return self.xet.hash(entry.sha256, self.objects[entry.sha256])

    def xet_of(self, name: str, commit: str) -> str:
        """Return the address of a Xet storage that holds a commit's large files."""
        files = self.repositories[name].commits[commit].values()
        return self.xet.to_read(f"{name}@{commit}", [self.objects[file.sha256] for file in files if file.large])

    def large(self, oid: str) -> bytes | None:
        """Return a large file that waits for a commit, by whichever way it came."""
        if oid not in self.objects and self.xet and (content := self.xet.get(oid)) is not None:
            self.objects[oid] = content
        return self.objects.get(oid)

    def entry(self, content: bytes, large: bool) -> Entry:
        digest = hashlib.sha256(content).hexdigest()
        self.objects[digest] = content
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n".encode()
        stored = pointer if large else content
        oid = hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()  # noqa: S324
        return Entry(digest, len(content), oid, large)

    def create(self, name: str, private: bool) -> None:
        with self.lock:
            if name in self.repositories:
                raise RefusedError(409, "You already created this model repo")
            repository = self.repositories[name] = Repository(private)
            attributes = "".join(f"*{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in LARGE).encode()
            repository.append("main", {".gitattributes": self.entry(attributes, False)}, "initial commit")

    def plant(self, name: str, files: dict[str, bytes], large: bool | None = None) -> str:
        """Put files where they are, whatever their names and contents; return the commit."""
        with self.lock:
            if name not in self.repositories:
                self.create(name, False)
            repository = self.repositories[name]
            now = dict(repository.commits[repository.branches["main"]])
            for path, content in files.items():
                now[path] = self.entry(content, path.endswith(LARGE) if large is None else large)
            return repository.append("main", now, f"planted {sorted(files)}")

    def commit(self, name: str, branch: str, lines: list[dict], propose: bool) -> tuple[str, int | None]:
        """Apply a commit as a whole, or refuse it as a whole; return it, and the pull request's number if it is one."""
        with self.lock:
            repository = self.repositories[name]
            if branch not in repository.branches:
                raise RefusedError(404, f"no branch {branch}", "RevisionNotFound")
            parent = repository.branches[branch]
            header = lines[0]["value"]
            if header.get("parentCommit") not in (None, parent):
                raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
            files = dict(repository.commits[parent])
            for line in lines[1:]:
                value = line["value"]
                path = value["path"]
                match line["key"]:
                    case "file":
                        files[path] = self.entry(base64.b64decode(value["content"]), False)
                    case "lfsFile":
                        content = self.large(value["oid"])
                        if content is None or len(content) != value["size"]:
                            raise RefusedError(400, f"{path}: no large file {value['oid']} was uploaded")
                        files[path] = self.entry(content, True)
                    case "deletedFile":
                        if files.pop(path, None) is None:
                            raise RefusedError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
                    case other:
                        raise RefusedError(400, f"unknown operation {other}")
            if not propose:
                return repository.append(branch, files, header["summary"]), None
            repository.pull_requests += 1
            own = f"refs/pr/{repository.pull_requests}"
            repository.branches[own] = parent
            return repository.append(own, files, header["summary"]), repository.pull_requests

    def state(self) -> dict:
        """Everything a test may want to compare: for each repository heads, tags, and each head's hashes."""
        with self.lock:
            return {
                name: {
                    "private": repository.private,
                    "commits": len(repository.commits),
                    "branches": dict(repository.branches),
                    "tags": dict(repository.tags),
                    "files": {
                        branch: {path: entry.sha256 for path, entry in repository.commits[commit].items()}
                        for branch, commit in repository.branches.items()
                    },
                }
                for name, repository in self.repositories.items()
            }
