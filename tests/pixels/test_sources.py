"""Pictures from web servers and from standard input: the same pixels as from files, within limits, or a clear error."""

import io
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pixels.sources
from pixels import is_url, open_picture, open_source

PICTURE = io.BytesIO()
Image.fromarray(np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)).save(PICTURE, "png")


class Handler(BaseHTTPRequestHandler):
    """What servers answer, by path."""

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/")
        content, kind, status, headers = PICTURE.getvalue(), "image/png", 200, {}
        match name:
            case "page":
                content, kind = b"<html>log in</html>", "text/html"
            case "empty":
                content = b""
            case "half":
                content = content[:60]
            case "gone":
                status = 404
            case "broken":
                status = 503
            case "moved":
                status, headers = 302, {"Location": "/cat.png"}
            case "file":
                status, headers = 302, {"Location": "file:///etc/passwd"}
            case "ftp":
                status, headers = 302, {"Location": "ftp://127.0.0.1/x"}
            case "circle":
                status, headers = 302, {"Location": "/circle"}
            case "long":
                content = b"x" * 3000
            case "cut":
                headers = {"Content-Length": "100000"}
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for key, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def expected(tmp_path: Path) -> np.ndarray:
    (tmp_path / "picture.png").write_bytes(PICTURE.getvalue())
    return np.asarray(open_picture(tmp_path / "picture.png"))


@pytest.mark.parametrize("path", ["/cat.png", "/moved", "/a b/猫.png?größe=1#top", "/%20%2F", "/"])
def test_pictures_at_addresses(path: str, server: str, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(np.asarray(open_source(server + path)), expected)


REFUSED = {
    "/page": (
        ValueError,
        r"page is not a readable picture: its format is not known \(the server calls it text/html\)$",
    ),
    "/empty": (ValueError, r"/empty is not a readable picture: it is empty$"),
    "/half": (ValueError, r"/half is not a readable picture: "),
    "/gone": (FileNotFoundError, r"cannot fetch http://127.*/gone: the server answers 404 Not Found$"),
    "/broken": (OSError, r"cannot fetch .*/broken: the server answers 503 Service Unavailable$"),
    "/file": (OSError, r"cannot fetch .*/file: the server answers 302 "),
    "/ftp": (OSError, r"cannot fetch .*/ftp: unknown url type: ftp$"),
    "/circle": (OSError, r"cannot fetch .*/circle: the server answers 302 "),
    "/cut": (OSError, r"cannot fetch .*/cut: the connection broke$"),
}


@pytest.mark.parametrize("path", REFUSED)
def test_what_servers_do_wrong_is_told(path: str, server: str) -> None:
    error, message = REFUSED[path]
    with pytest.raises(error, match=message):
        open_source(server + path)


@pytest.mark.parametrize(
    "address", ["http://", "http://[", "http://127.0.0.1:x/", "https://127.0.0.1:1/x.png", "http://\n/"]
)
def test_addresses_without_a_server(address: str) -> None:
    with pytest.raises((OSError, ValueError)) as raised:
        open_source(address)
    assert address in str(raised.value)


def test_limits(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels.sources, "MOST_BYTES", 2999)
    with pytest.raises(ValueError, match=r"/long is longer than 2,999 bytes$"):
        open_source(f"{server}/long")
    monkeypatch.setattr(pixels.sources, "PATIENCE", -1.0)
    with pytest.raises(OSError, match=r"cannot fetch .*/cat.png: it takes longer than -1 s$"):
        open_source(f"{server}/cat.png")


def standard_input(content: bytes, *, terminal: bool = False) -> io.TextIOWrapper:
    stream = io.TextIOWrapper(io.BytesIO(content))
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    return stream


def test_standard_input(expected: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", standard_input(PICTURE.getvalue()))
    np.testing.assert_array_equal(np.asarray(open_source("-")), expected)
    for content, terminal, message in (
        (b"", False, "standard input is not a readable picture: it is empty"),
        (b"text", False, "standard input is not a readable picture: its format is not known"),
        (b"", True, "standard input is a terminal"),
    ):
        monkeypatch.setattr(sys, "stdin", standard_input(content, terminal=terminal))
        with pytest.raises(ValueError, match=message):
            open_source("-")


def test_paths_stay_paths(expected: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(PICTURE.getvalue())
    for source in (Path("-"), "./-", tmp_path / "picture.png", str(tmp_path / "picture.png")):
        np.testing.assert_array_equal(np.asarray(open_source(source)), expected)
    assert not any(map(is_url, ("ftp://a/b.png", "file:///a", "http", "https:/a/b.png", "httpx://a")))
