"""Where pictures come from on the page Try it: dropped, pasted, photographed; and a browser that cannot run nets."""

import base64
import runpy
from pathlib import Path

import pytest

ANSWERS = runpy.run_path(str(Path(__file__).with_name("test_answers.py")))
CAT = ANSWERS["CAT"]
ready, found = ANSWERS["ready"], ANSWERS["found"]
PAGE = f"try/index.html?net={ANSWERS['SMALL']}"
TRANSFER = """([content, name, kind]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  if (name) transfer.items.add(new File([bytes], name));
  else transfer.setData("text/plain", "no file");
  const options = { bubbles: true, cancelable: true };
  document.body.dispatchEvent(
    kind === "drop"
      ? new DragEvent("drop", { ...options, dataTransfer: transfer })
      : new ClipboardEvent("paste", { ...options, clipboardData: transfer }),
  );
}"""


def answered(page) -> None:
    page.wait_for_function("() => document.querySelector('.results').dataset.answered")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(kind: str, visit) -> None:
    page = visit(PAGE)
    ready(page)
    page.evaluate(TRANSFER, [base64.b64encode(CAT.read_bytes()).decode(), "cat.jpg", kind])
    answered(page)
    assert found(page)[0] == "cat"


def test_what_is_dropped_but_no_file_is_told(visit) -> None:
    page = visit(PAGE)
    ready(page)
    page.evaluate(TRANSFER, ["", "", "drop"])
    page.get_by_text("That is no file.").wait_for()


def test_a_picture_is_taken_with_the_camera(visit) -> None:
    page = visit(PAGE, permissions=["camera"])
    ready(page)
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0")
    page.get_by_role("button", name="Take the picture").click()
    answered(page)
    assert page.locator("video").count() == 0  # and the camera is off


def test_a_second_click_opens_no_second_camera(visit) -> None:
    page = visit(PAGE, permissions=["camera"])
    ready(page)
    count = """() => {
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      globalThis.opened = 0;
      navigator.mediaDevices.getUserMedia = (wanted) => (globalThis.opened++, open(wanted));
    }"""
    page.evaluate(count)
    page.get_by_role("button", name="Use the camera").evaluate("button => (button.click(), button.click())")
    page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0")
    assert page.evaluate("opened") == 1


def test_a_camera_that_is_not_allowed_is_told(visit) -> None:
    page = visit(PAGE)
    ready(page)
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_text("The camera was not allowed.").wait_for()


def test_a_browser_without_webassembly_is_told_what_to_do(visit, built: Path) -> None:
    worker = (built / "scripts" / "engine" / "worker.js").read_text(encoding="utf-8")
    page = visit("own/index.html")
    body = f"delete globalThis.WebAssembly;\n{worker}"
    page.route("**/engine/worker.js", lambda route: route.fulfill(body=body, content_type="text/javascript"))
    page.goto(page.url.replace("own/index.html", PAGE))
    page.get_by_text("no WebAssembly").first.wait_for()
