"""GitHub in small: the pages, archives, API and raw files that torch.hub asks for, of one bare repository.

All four hosts are served at one port and told apart by the header Host, so that a client keeps GitHub's own URLs and
only connects elsewhere. Usage: github.py BARE_REPOSITORY; it prints the port, and ends with its standard input. What it
does comes from GitHub's REST documentation ("Download a repository archive (zip)", "List branches", "List repository
tags", "Rate limits") and from what torch.hub's own source expects of it.
"""

import json
import shutil
import subprocess
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OWNER, NAME = "me", "diracnet-zoo"
REPOSITORY: Path
LOG: list[str] = []
LIMITED: set[str] = set()  # hosts that answer "rate limit exceeded"


def git(*arguments: str) -> bytes | None:
    """Return what Git says about the repository; None if it says no."""
    done = subprocess.run([shutil.which("git"), "-C", REPOSITORY, *arguments], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def commit(ref: str) -> str | None:
    found = git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    return found.decode().strip() if found else None


def refs(kind: str) -> list[dict]:
    lines = git("for-each-ref", "--format=%(refname:strip=2)", f"refs/{kind}").decode().split()
    return [{"name": name, "commit": {"sha": commit(f"refs/{kind}/{name}")}} for name in lines]


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host = self.headers["Host"]
        url = urllib.parse.urlsplit(self.path)
        if host.startswith("127.0.0.1"):
            return self.told(url.path)
        LOG.append(f"https://{host}{self.path}")
        if host in LIMITED:
            return self.send(429 if host.startswith("raw") else 403, b"API rate limit exceeded", "text/plain")
        owner, name, rest = urllib.parse.unquote(url.path.removeprefix("/repos")).lstrip("/").split("/", 2)
        # GitHub takes names in any case.
        if (owner.lower(), name.lower()) != (OWNER, NAME):
            return self.send(404)
        answer = {
            "github.com": self.pages,
            "codeload.github.com": self.archives,
            "api.github.com": self.api,
            "raw.githubusercontent.com": self.raw,
        }[host]
        return answer(rest.rstrip("/"), dict(urllib.parse.parse_qsl(url.query)))

    def pages(self, path: str, _: dict) -> None:
        kind, _, ref = path.partition("/")
        if kind == "tree":
            return self.send(200 if commit(f"refs/heads/{ref}") else 404)
        if kind != "zipball":
            return self.send(404)
        names = [ref] if ref.startswith("refs/") else [f"refs/heads/{ref}", f"refs/tags/{ref}"]
        found = [name for name in names if commit(name)]
        if len(found) > 1:
            return self.send(300, b"the given path has multiple possibilities", "text/plain")
        if not found and not commit(ref):
            return self.send(404)
        where = f"https://codeload.github.com/{OWNER}/{NAME}/legacy.zip/{found[0] if found else ref}"
        return self.send(302, headers={"Location": where})

    def archives(self, path: str, _: dict) -> None:
        kind, _, ref = path.partition("/")
        version = commit(ref)
        if kind != "legacy.zip" or version is None:
            return self.send(404)
        folder = f"{OWNER}-{NAME}-{version[:7]}"
        content = git("archive", "--format=zip", f"--prefix={folder}/", version)
        return self.send(200, content, "application/zip", {"Content-Disposition": f"attachment; filename={folder}.zip"})

    def api(self, path: str, query: dict) -> None:
        if path not in ("branches", "tags"):
            return self.send(404)
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        listed = refs({"branches": "heads"}.get(path, path))[(page - 1) * size : page * size]
        return self.send(200, json.dumps(listed).encode(), "application/json; charset=utf-8")

    def raw(self, path: str, _: dict) -> None:
        version, _, file = path.partition("/")
        content = git("cat-file", "blob", f"{version}:{file}")
        return self.send(404) if content is None else self.send(200, content, "application/octet-stream")

    def told(self, path: str) -> None:
        """Answer what tests ask beside GitHub: the log since it was last read, and hosts to be limited."""
        if path.startswith("/_limit/"):
            LIMITED.clear()
            LIMITED.update(filter(None, path.removeprefix("/_limit/").split(",")))
        answer = json.dumps(LOG).encode()
        LOG.clear()
        self.send(200, answer, "application/json")

    def send(self, code: int, content: bytes = b"", kind: str = "text/html", headers: dict | None = None) -> None:
        self.send_response(code)
        given = {"Content-Type": kind, "Content-Length": str(len(content)), "Connection": "close", **(headers or {})}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    REPOSITORY = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
