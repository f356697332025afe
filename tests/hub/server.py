"""A server process that speaks the Hugging Face Hub's protocol on 127.0.0.1, and fails on demand.

`python tests/hub/server.py` prints its port and serves until its standard input is closed. What it holds is in memory.

Tests steer it by paths that the Hub does not have: `PUT /_faults` takes a list of faults, `PUT /_plant` puts files into
a repository as no client could, `PUT /_xet` turns the Xet storage on or off, `GET /_state` tells heads and hashes, and
which endpoints were asked, `GET /_hanging` waits until a request hangs.
Tokens: `hf_write…` may write, `hf_pull…` may read and open pull requests, `hf_read…` may read, any other is unknown.
Every error repeats the token it was sent, in body and headers: a client must survive even that without showing it.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from endpoints import WRITES, XET, Endpoints
from store import RefusedError, Store

ID = r"(?P<id>[^/]+/[^/]+)"
API = r"/api/(?P<kind>models|spaces)"
PAGE = r"/(?P<space>spaces/)?"
"""Where files are, of models and of Spaces."""
REVISION = r"(?P<revision>[^/]+)"
ROUTES = {
    "create": ("POST", r"/api/repos/create"),
    "yaml": ("POST", r"/api/validate-yaml"),
    "preupload": ("POST", rf"{API}/{ID}/preupload/{REVISION}"),
    "batch": ("POST", rf"{PAGE}{ID}\.git/info/lfs/objects/batch"),
    "write-token": ("GET", rf"{API}/{ID}/xet-write-token/{REVISION}"),
    "read-token": ("GET", rf"{API}/{ID}/xet-read-token/{REVISION}"),
    "put": ("PUT", r"/_lfs/(?P<oid>[0-9a-f]{64})"),
    "verify": ("POST", r"/_lfs/(?P<oid>[0-9a-f]{64})/verify"),
    "commit": ("POST", rf"{API}/{ID}/commit/{REVISION}"),
    "info": ("GET", rf"{API}/{ID}(/revision/{REVISION})?"),
    "tree": ("GET", rf"{API}/{ID}/tree/{REVISION}(/(?P<path>.+))?"),
    "paths": ("POST", rf"{API}/{ID}/paths-info/{REVISION}"),
    "discussions": ("GET", rf"{API}/{ID}/discussions"),
    "refs": ("GET", rf"{API}/{ID}/refs"),
    "tag": ("POST", rf"{API}/{ID}/tag/{REVISION}"),
    "branch": ("POST", rf"{API}/{ID}/branch/{REVISION}"),
    "whoami": ("GET", r"/api/whoami-v2"),
    "resolve": ("GET", rf"{PAGE}{ID}/resolve/{REVISION}/(?P<path>.+)"),
    "object": ("GET", r"/_lfs/(?P<oid>[0-9a-f]{64})"),
    "faults": ("PUT", r"/_faults"),
    "xet": ("PUT", r"/_xet"),
    "plant": ("PUT", r"/_plant"),
    "state": ("GET", r"/_state"),
    "hanging": ("GET", r"/_hanging"),
}


class Hub(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.store, self.asked = Store(), Counter()
        self.faults: list[dict] = []
        self.hung = threading.Event()

    def fault(self, endpoint: str) -> dict:
        """Take the fault that is due at this endpoint: {endpoint, kind, after, times, retry_after}, or nothing."""
        with self.store.lock:
            self.asked[endpoint] += 1
            for fault in self.faults:
                if fault["endpoint"] == endpoint:
                    if fault.get("after", 0) > 0:
                        fault["after"] -= 1
                    elif fault.setdefault("times", 1) > 0:
                        fault["times"] -= 1
                        return fault
        return {"kind": None}


class Handler(Endpoints, BaseHTTPRequestHandler):
    """One request: what it asks, what goes wrong with it, the answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Hub

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        method = "GET" if self.command == "HEAD" else self.command
        self.query = parse_qs(url.query)
        matches = (
            (name, re.fullmatch(pattern, url.path)) for name, (verb, pattern) in ROUTES.items() if verb == method
        )
        name, match = next(((name, match) for name, match in matches if match), (None, None))
        if match is None or (name in XET and self.store.xet is None):
            return self.fail(RefusedError(404, f"no such page: {self.command} {url.path}"))
        fault = self.server.fault(name)
        kind = fault["kind"]
        if kind == "hang":
            self.server.hung.set()
            while self.connection.recv(1 << 16):
                pass
        if kind in ("hang", "drop"):
            self.close_connection = True
            return None
        self.content = self.body()
        if kind == "html":
            return self.send(b"<html>Bad gateway</html>", {"Content-Type": "text/html"}, 502)
        if kind == "move":
            self.store.plant(unquote(match["id"]), {"README.md": b"by somebody else"})
        try:
            if isinstance(kind, int):
                raise RefusedError(kind, f"{self.responses.get(kind, ('?',))[0]}: {self.headers.get('Authorization')}")
            self.values = {key: unquote(value) for key, value in match.groupdict().items() if value}
            if self.values.get("kind") == "spaces" or "space" in self.values:
                self.values["id"] = f"spaces/{self.values['id']}"  # a name of its own beside a model of this name
            if name in WRITES or "id" in self.values:
                self.authorise(name)
            answer = getattr(self, f"on_{name.replace('-', '_')}")()
        except RefusedError as error:
            return self.fail(error, fault)
        if kind == "lost":
            self.close_connection = True
            return None
        if kind == "corrupt":
            content, headers, status = answer
            answer = (content[:-1] + bytes([content[-1] ^ 1]) if content else content, headers, status)
        return self.send(*answer) if isinstance(answer, tuple) else self.send(json.dumps(answer).encode())

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send(self, content: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), "X-Request-Id": "1", **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def fail(self, error: RefusedError, fault: dict | None = None) -> None:
        told = f"{error} (sent: {self.headers.get('Authorization')})"
        headers = {"X-Error-Message": told} | ({"X-Error-Code": error.code} if error.code else {})
        if fault and "retry_after" in fault:
            headers["Retry-After"] = str(fault["retry_after"])
        content = json.dumps({"error": told, "url": f"{self.origin}/{getattr(error, 'name', '')}"})
        self.send(content.encode(), headers, error.status)

    @property
    def store(self) -> Store:
        return self.server.store

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def other_origin(self) -> str:
        """Large files come from another origin, to which clients must not send their token."""
        return f"http://localhost:{self.server.server_port}"

    # What tests ask.

    def on_faults(self) -> object:
        with self.store.lock:
            self.server.faults, self.server.asked = json.loads(self.content), Counter()
        return {}

    def on_plant(self) -> object:
        asked = json.loads(self.content)
        files = {path: base64.b64decode(content) for path, content in asked["files"].items()}
        commit = self.store.plant(asked["id"], files, asked.get("large"))
        repository = self.store.repositories[asked["id"]]
        repository.gated, repository.private = asked.get("gated", False), asked.get("private", False)
        return {"commit": commit}

    def on_xet(self) -> object:
        self.store.turn_xet(json.loads(self.content))
        return {}

    def on_state(self) -> object:
        return {"repositories": self.store.state(), "asked": self.server.asked}

    def on_hanging(self) -> object:
        """Answer as soon as a request hangs."""
        self.server.hung.wait()
        self.server.hung.clear()
        return {}


def main() -> None:
    hub = Hub()
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    print(hub.server_port, flush=True)
    while sys.stdin.read(1):
        time.sleep(0)
    hub.shutdown()


if __name__ == "__main__":
    main()
