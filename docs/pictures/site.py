"""Takes the pictures of docs/site.md in Debian's Chromium, from a site that `make site` built: `make site-pictures`."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page, sync_playwright

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent.parent / "build" / "site"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SMALL, WIDE = "diracnet10_cifar:cifar10", "diracnet10_x4_cifar:cifar10"


def gallery(page: Page, site: str) -> None:
    """Take the gallery: its head and the chart."""
    page.goto(site)
    page.locator("#chart a").first.wait_for()
    save(page, "gallery", {"x": 0, "y": 0, "width": 1100, "height": 820})


def tryout(page: Page, site: str) -> None:
    """Take a picture, what the nets see of it, and the answers of two nets."""
    page.goto(f"{site}try/index.html")
    page.locator("#net").select_option(label=SMALL)
    page.locator("#beside").select_option(label=WIDE)
    for precision in ("fp16", "int8"):
        page.get_by_label(precision, exact=True).check()
    page.locator(".sample").first.click()
    page.get_by_text("First answer after").wait_for()
    save(page, "try", {"x": 0, "y": 0, "width": 1100, "height": 1062})


def proof(page: Page, site: str) -> None:
    """Take the proof of a net's files, from its heading on."""
    page.goto(f"{site}nets/{SMALL.replace(':', '-')}/index.html")
    page.get_by_role("button", name="Prove it").click()
    page.get_by_text("Proven:").wait_for()
    top = page.get_by_role("heading", name="Prove it").evaluate("e => e.getBoundingClientRect().top + scrollY")
    save(page, "proof", {"x": 32, "y": top, "width": 1036, "height": 700})


def save(page: Page, name: str, clip: FloatRect) -> None:
    """Save a part of a page, in 256 colours, which take a third of the bytes."""
    with Image.open(BytesIO(page.screenshot(clip=clip, full_page=True))) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        small.save(HERE / f"site-{name}.png", optimize=True)


def main() -> None:
    """Serve the site and take the three pictures."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(BUILT))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for take in (gallery, tryout, proof):
            page = browser.new_page(viewport={"width": 1100, "height": 820})
            take(page, f"http://127.0.0.1:{server.server_port}/")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
