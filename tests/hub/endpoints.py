"""What each endpoint of the test server answers when nothing goes wrong: what the Hub's clients read of its answers."""

from __future__ import annotations

import hashlib
import json
import time
from urllib.parse import parse_qs, quote

import yaml
from store import LARGE, Entry, RefusedError, Repository, Store

WRITES = {"create", "preupload", "batch", "verify", "commit", "tag", "branch", "write-token"}
PROPOSES = {"preupload", "batch", "verify", "commit", "write-token"}
"""What opening a pull request needs."""
XET = {"read-token", "write-token"}
PAGE = 4
"""Files on one page of a tree, so that clients must follow links."""


class Endpoints:
    """One method an endpoint. It returns a value for JSON, or content with headers and status."""

    store: Store
    headers: dict[str, str]
    query: dict[str, list[str]]
    content: bytes
    origin: str
    other_origin: str
    values: dict[str, str]
    """What the path named: id, revision, path, oid."""

    @property
    def id(self) -> str:
        return self.values["id"]

    @property
    def api_id(self) -> str:
        return self.id if self.id.startswith("spaces/") else f"models/{self.id}"

    @property
    def revision(self) -> str:
        return self.values.get("revision", "main")

    @property
    def oid(self) -> str:
        return self.values["oid"]

    @property
    def repository(self) -> Repository:
        return self.store.repositories[self.id]

    def authorise(self, endpoint: str) -> None:
        repository = self.values.get("id")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and not token.startswith(("hf_write", "hf_pull", "hf_read")):
            raise RefusedError(401, "Invalid credentials in Authorization header")
        there = self.store.repositories.get(repository or "")
        if repository and (there is None or (there.private and not token)):
            raise RefusedError(404 if token else 401, f"no repository {repository}", "RepoNotFound")
        if there and there.gated and not token.startswith("hf_write"):
            raise RefusedError(403, "Access to this model is restricted", "GatedRepo")
        if endpoint not in WRITES or token.startswith("hf_write"):
            return
        if token.startswith("hf_pull") and endpoint in PROPOSES:
            if self.pull_request or endpoint in ("batch", "verify"):
                return
            raise RefusedError(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
        raise RefusedError(403 if token else 401, "You don't have the rights to do that")

    @property
    def pull_request(self) -> bool:
        return self.query.get("create_pr") == ["1"]

    def on_create(self) -> object:
        asked = json.loads(self.content)
        name = f"{asked['organization']}/{asked['name']}"
        if asked.get("type") == "space":
            name = f"spaces/{name}"
            if asked.get("sdk") != "static":
                raise RefusedError(400, "a Space needs an sdk, and this server knows static ones alone")
        try:
            self.store.create(name, asked.get("visibility") == "private" or bool(asked.get("private")))
        except RefusedError as error:
            error.name = name
            raise
        return {"url": f"{self.origin}/{name}", "name": name}

    def on_yaml(self) -> object:
        parts = json.loads(self.content)["content"].split("---\n")
        errors = [] if len(parts) > 2 and isinstance(yaml.safe_load(parts[1]), dict) else [{"message": "no metadata"}]
        return json.dumps({"errors": errors, "warnings": []}).encode(), {}, 400 if errors else 200

    def on_preupload(self) -> object:
        there = self.repository.commits[self.repository.resolve(self.revision)]
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                    "oid": there[file["path"]].etag if file["path"] in there else None,
                }
                for file in json.loads(self.content)["files"]
            ]
        }

    def on_batch(self) -> object:
        def answer(oid: str, size: int) -> dict:
            if oid in self.store.objects:
                return {"oid": oid, "size": size}
            href = f"{self.other_origin}/_lfs/{oid}"
            actions = {"upload": {"href": href}, "verify": {"href": f"{self.origin}/_lfs/{oid}/verify"}}
            return {"oid": oid, "size": size, "actions": actions}

        asked = json.loads(self.content)
        if self.store.xet and "xet" in asked.get("transfers", ()):  # clients before huggingface_hub 2 ask here
            return {"transfer": "xet", "objects": [{"oid": o["oid"], "size": o["size"]} for o in asked["objects"]]}
        return {"transfer": "basic", "objects": [answer(o["oid"], o["size"]) for o in asked["objects"]]}

    def on_write_token(self) -> object:
        if not self.pull_request:  # for which clients name no revision, but "None"
            self.repository.resolve(self.revision)
        return self.token(self.store.xet.to_write())

    def on_read_token(self) -> object:
        return self.token(self.store.xet_of(self.id, self.repository.resolve(self.revision)))

    def token(self, storage: str) -> object:
        """Return a token for a Xet storage, in the body for the Xet library and in headers for huggingface_hub."""
        token = {"casUrl": storage, "accessToken": "xet", "exp": int(time.time()) + 3600}
        names = ("X-Xet-Cas-Url", "X-Xet-Access-Token", "X-Xet-Token-Expiration")
        return json.dumps(token).encode(), dict(zip(names, map(str, token.values()), strict=True)), 200

    def on_put(self) -> object:
        if self.headers.get("Authorization"):
            raise RefusedError(400, "a token was sent to the storage")
        if hashlib.sha256(self.content).hexdigest() != self.oid:
            raise RefusedError(400, "these bytes have another sha256")
        self.store.uploaded[self.oid] = self.content
        return b"", {"ETag": f'"{self.oid}"'}, 200

    def on_verify(self) -> object:
        if len(self.store.uploaded.get(self.oid, b"")) != json.loads(self.content)["size"]:
            raise RefusedError(400, "not uploaded")
        self.store.objects[self.oid] = self.store.uploaded[self.oid]
        return {}

    def on_commit(self) -> object:
        lines = [json.loads(line) for line in self.content.splitlines()]
        commit, number = self.store.commit(self.id, self.revision, lines, self.pull_request)
        answer = {"success": True, "commitOid": commit, "commitUrl": f"{self.origin}/{self.id}/commit/{commit}"}
        return answer | ({"pullRequestUrl": f"{self.origin}/{self.id}/discussions/{number}"} if number else {})

    def on_discussions(self) -> object:
        start = int(self.query.get("p", ["0"])[0]) * PAGE
        told = [
            {
                "num": number,
                "title": "Publish",
                "status": "open",
                "isPullRequest": True,
                "author": {"name": "me"},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "repo": {"name": self.id, "type": "model"},
            }
            for number in range(1, self.repository.pull_requests + 1)
        ]
        return {"count": len(told), "start": start, "discussions": told[start : start + PAGE]}

    def on_info(self) -> object:
        commit = self.repository.resolve(self.revision)
        siblings = [{"rfilename": path} for path in self.repository.commits[commit]]
        return {
            "id": self.id.removeprefix("spaces/"),
            "modelId": self.id,
            "sha": commit,
            "private": self.repository.private,
            "siblings": siblings,
            "tags": [],
        }

    def on_tree(self) -> object:
        files = sorted(self.repository.commits[self.repository.resolve(self.revision)].items())
        start = int(self.query.get("cursor", ["0"])[0])
        tree = f"{self.origin}/api/{self.api_id}/tree/{quote(self.revision, safe='')}"
        headers = (
            {"Link": f'<{tree}?recursive=true&cursor={start + PAGE}>; rel="next"'} if start + PAGE < len(files) else {}
        )
        page = [self.listed(name, entry) for name, entry in files[start : start + PAGE]]
        return json.dumps(page).encode(), headers, 200

    def listed(self, path: str, entry: Entry) -> dict:
        """What tree and paths-info say about a file."""
        xet = self.store.xet_hash(entry)
        return entry.listed(path) | ({"xetHash": xet} if xet else {})

    def on_paths(self) -> object:
        there = self.repository.commits[self.repository.resolve(self.revision)]
        return [self.listed(path, there[path]) for path in parse_qs(self.content.decode())["paths"] if path in there]

    def on_refs(self) -> object:
        kinds = {"branches": ("refs/heads/", self.repository.branches), "tags": ("refs/tags/", self.repository.tags)}
        return {"converts": []} | {
            kind: [{"name": name, "ref": prefix + name, "targetCommit": commit} for name, commit in refs.items()]
            for kind, (prefix, refs) in kinds.items()
        }

    def on_tag(self) -> object:
        name = json.loads(self.content)["tag"]
        if name in self.repository.tags:
            raise RefusedError(409, f"tag {name} exists")
        self.repository.tags[name] = self.repository.resolve(self.revision)
        return {}

    def on_branch(self) -> object:
        if self.revision in self.repository.branches:
            raise RefusedError(409, f"branch {self.revision} exists")
        self.repository.branches[self.revision] = self.repository.resolve(
            json.loads(self.content or b"{}").get("startingPoint") or "main"
        )
        return {}

    def on_whoami(self) -> object:
        self.authorise("create")
        return {"type": "user", "name": "me", "orgs": []}

    def on_resolve(self) -> object:
        commit = self.repository.resolve(self.revision)
        entry = self.repository.commits[commit].get(self.values["path"])
        if entry is None:
            raise RefusedError(404, f"no file {self.values['path']}", "EntryNotFound")
        headers = {"X-Repo-Commit": commit, "ETag": f'"{entry.etag}"'}
        if entry.large:
            large = {"X-Linked-Etag": f'"{entry.sha256}"', "X-Linked-Size": str(entry.size)}
            if xet := self.store.xet_hash(entry):
                route = f"{self.origin}/api/{self.api_id}/xet-read-token/{commit}"
                large |= {"X-Xet-Hash": xet, "Link": f'<{route}>; rel="xet-auth"'}
            return b"", headers | large | {"Location": f"{self.other_origin}/_lfs/{entry.sha256}"}, 302
        return self.store.objects[entry.sha256], headers, 200

    def on_object(self) -> object:
        if self.headers.get("Authorization"):
            raise RefusedError(400, "a token was sent to the storage")
        return self.store.objects[self.oid], {"ETag": f'"{self.oid}"'}, 200
