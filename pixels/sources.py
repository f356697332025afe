"""Pictures that are not files on this machine: on web servers, and on standard input."""

from __future__ import annotations

import io
import sys
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit

from PIL import Image

from pixels.decoding import decode, open_picture

STDIN = "-"
MOST_BYTES = 100 << 20
"""The longest picture that is fetched."""
SILENCE = 20.0
"""Seconds that a server may be silent."""
PATIENCE = 120.0
"""Seconds that all of a picture may take."""
_SAFE = "/%:@!$&'()*+,;=~?"
_HANDLERS = ("Proxy", "HTTP", "HTTPS", "HTTPDefaultError", "HTTPRedirect", "Unknown")


def is_url(source: str) -> bool:
    """Tell whether a text is the address of something on a web server.

    Example:
        >>> is_url("https://example.com/cat.jpg"), is_url("cat.jpg")
        (True, False)
    """
    return source.lower().startswith(("http://", "https://"))


def open_source(source: str | Path) -> Image.Image:
    """Return the picture in a file (see `open_picture`), at an http or https address, or on standard input.

    Args:
        source: a path, an address, or "-" for standard input. Anything but a text is a path.

    Raises:
        FileNotFoundError: no such file, or the server has no such picture.
        ValueError: it is not a readable picture, or is too long.
        OSError: the server cannot be reached, refuses, or is too slow.
    """
    if isinstance(source, str) and is_url(source):
        return _fetch(source)
    if isinstance(source, str) and source == STDIN:
        if sys.stdin.isatty():
            raise ValueError("standard input is a terminal; send a picture to it, as in: … < cat.jpg")
        return _decoded(_read(sys.stdin.buffer, "standard input"), "standard input")
    return open_picture(Path(source))


def _fetch(address: str) -> Image.Image:
    request = urllib.request.Request(_ascii(address), headers={"User-Agent": "diracnet-zoo"})  # noqa: S310 (is_url)
    try:
        with _opener().open(request, timeout=SILENCE) as answer:
            content = _read(answer, address)
            if answer.length:  # what is left of the length that the server announced
                raise OSError("the connection broke")
    except HTTPError as error:
        error.close()
        kinds = FileNotFoundError if error.code in (404, 410) else OSError
        raise kinds(f"cannot fetch {address}: the server answers {error.code} {error.reason}") from None
    except (URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise OSError(f"cannot fetch {address}: {reason or type(error).__name__}") from None
    kind = answer.headers.get_content_type()
    return _decoded(content, address, "" if kind.startswith("image/") else f" (the server calls it {kind})")


def _ascii(address: str) -> str:
    """Return an address as servers take it, without letters beyond ASCII and spaces; ValueError if it is none."""
    try:
        scheme, host, path, query, _ = urlsplit(address)
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError as error:
        raise ValueError(f"{address} is not an address of a picture: {error}") from error
    return urlunsplit((scheme, host, quote(path, _SAFE), quote(query, _SAFE), ""))


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses: http and https alone, whatever a server redirects to."""
    opener = urllib.request.OpenerDirector()
    for name in _HANDLERS:
        opener.add_handler(getattr(urllib.request, f"{name}Handler")())
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    return opener


def _read(stream: IO[bytes], name: str) -> bytes:
    """Read a picture's file in pieces, within limits."""
    content, end = bytearray(), time.monotonic() + PATIENCE
    while piece := stream.read(1 << 16):
        content += piece
        if len(content) > MOST_BYTES:
            raise ValueError(f"{name} is longer than {MOST_BYTES:,} bytes")
        if time.monotonic() > end:
            raise OSError(f"it takes longer than {PATIENCE:g} s")
    return bytes(content)


def _decoded(content: bytes, name: str, said: str = "") -> Image.Image:
    """Decode a picture; `said` ends the error if it is none."""
    if not content:
        raise ValueError(f"{name} is not a readable picture: it is empty")
    try:
        return decode(io.BytesIO(content), name)
    except ValueError as error:
        raise ValueError(f"{error}{said}") from error
