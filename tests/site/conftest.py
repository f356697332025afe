"""The built site in Debian's chromium, for `make site-test`: a server below some path, a browser, what it must not do.

    DIRACNET_SITE=build/site .venv/bin/python -m pytest tests/site

Every page that a test opens with `visit` is watched: the test fails if the page logs an error, breaks its own
Content-Security-Policy, or asks another origin for anything.
"""

import functools
import http.server
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = os.environ.get("DIRACNET_SITE")
BELOW = "/some/path/"
"""Where the site lies on the server: nothing may depend on it."""
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not SITE:
            item.add_marker(pytest.mark.skip(reason="`make site-test` runs it"))


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site below a path, as a plain static server does."""

    extensions_map: ClassVar = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(BELOW.rstrip("/")) if path.startswith(BELOW) else "/nowhere")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def built() -> Path:
    """Give the folder that `make site` wrote."""
    return (ROOT / str(SITE)).resolve()


def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port while the caller holds the iterator; the first item is the site's address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{BELOW}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def address(built: Path) -> Iterator[str]:
    """Give the address of the site's root, which ends in a slash."""
    yield from serve(built)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that root in a container lacks.
        # The camera is Chromium's own test picture.
        arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Give a call that opens a page of the site, `visit("try/index.html", color_scheme="dark")`, and watches it.

    Keywords are those of Playwright's `new_context`; `at` is another server's address, `ignore` a pattern of errors
    that the test provokes.
    """
    contexts, wrong = [], []

    def open_page(path: str = "index.html", *, at: str = address, ignore: str = r"(?!)", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(_VIOLATIONS)
        origin = re.match(r"https?://[^/]+/", at)[0]

        def note(text: str) -> None:
            if not re.search(ignore, text):
                wrong.append(text)

        page.on("console", lambda message: note(f"{message.type}: {message.text}") if message.type == "error" else None)
        page.on("pageerror", lambda error: note(f"uncaught: {error}"))
        page.on(
            "request",
            lambda request: None if request.url.startswith((origin, "blob:", "data:")) else note(f"to {request.url}"),
        )
        page.on("response", lambda response: note(f"{response.status}: {response.url}") if not response.ok else None)
        page.goto(f"{at}{path}", wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def axe() -> Callable[[Any], list[str]]:
    """Give a call that returns what axe finds serious or critical on a page, as one phrase each."""
    source = (ROOT / "site" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

    def run(page: Any) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    return run


@pytest.fixture(scope="session")
def overflow() -> Callable[[Any], int]:
    """Give a call that returns by how many pixels a page is wider than its window."""
    return lambda page: page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
