"""A net's page: the chain, pictures, files, snippets; on a phone, in the dark, with the keyboard."""

import hashlib
import json
from pathlib import Path

import pytest

import zoo
from export.site.chain import chain


@pytest.fixture(scope="module")
def nets(built: Path) -> list[dict]:
    return json.loads((built / "data" / "nets.json").read_text(encoding="utf-8"))["nets"]


PAGE = "nets/diracnet16_cifar-cifar10/index.html"


def test_every_net_has_a_page_without_errors_and_with_its_figures(visit, nets) -> None:
    for net in nets:
        page = visit(net["page"])
        assert page.locator("h1").text_content() == f"{net['model']}{net['tag']}"
        assert page.locator(".figures dd").first.text_content() == f"{net['top1']:.2f}%"
        assert page.locator("#chain .layer").count() == len(chain(zoo.get_spec(net["model"]), net["size"]))
        assert page.locator(".shares tbody tr").count() == net["layers"] - 2
        pictures = page.eval_on_selector_all(
            ".kernels img", "all => all.map(one => one.naturalWidth * one.naturalHeight)"
        )
        assert len(pictures) == 3 and min(pictures) > 0
        page.context.close()


def test_layers_tell_their_figures_to_mouse_and_keyboard(visit) -> None:
    page = visit(PAGE)
    told, hint = page.locator("#told"), page.locator("#told").text_content()
    layers = page.locator("#chain .layer")
    layers.nth(0).hover()
    assert (
        told.text_content()
        == "conv: 3×3 convolution, 3 → 16 channels; map 32×32×16; 448 parameters, 442 k multiply-adds"
    )
    page.mouse.move(0, 0)
    assert told.text_content() == hint
    layers.nth(0).focus()
    page.keyboard.press("Tab")
    assert told.text_content() == layers.nth(1).get_attribute("aria-label") != hint
    page.keyboard.press("Shift+Tab")
    assert told.text_content().startswith("conv: ")


def test_the_command_and_the_snippets_are_copied(visit) -> None:
    page = visit(PAGE, permissions=["clipboard-read", "clipboard-write"])
    buttons, snippets = page.get_by_role("button", name="Copy this snippet"), page.locator("pre > code")
    assert buttons.count() == snippets.count() >= 8
    buttons.first.click()
    page.wait_for_function("document.querySelector('.copy').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "diracnet train --like diracnet16_cifar:cifar10 --data cifar10-jpeg75:FOLDER --out RUN"


def test_files_are_downloaded_with_the_hash_that_stands_beside_them(visit, tmp_path) -> None:
    page = visit(PAGE)
    row = page.locator(".files tbody tr", has_text="onnx/model_quantized.onnx")
    with page.expect_download() as download:
        row.locator("a").click()
    download.value.save_as(tmp_path / "file")
    assert hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest() == row.locator(".hash").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_width_scrolls_sideways_and_axe_finds_nothing(visit, axe, overflow, scheme, width) -> None:
    page = visit(PAGE, color_scheme=scheme, viewport={"width": width, "height": 800})
    page.locator("summary").first.click()
    assert overflow(page) == 0
    assert axe(page) == []


def test_the_card_is_a_page_too(visit, axe, overflow) -> None:
    page = visit("nets/diracnet28_cifar-cifar10/card.html", viewport={"width": 390, "height": 800})
    assert page.locator("h1").text_content() == "diracnet28_cifar:cifar10"
    assert overflow(page) == 0 and axe(page) == []


def test_the_page_goes_on_offline(visit) -> None:
    page = visit(PAGE)
    page.context.set_offline(True)
    page.locator("#chain .layer").nth(3).focus()
    assert page.locator("#told").text_content().startswith("group0.block2.conv")
    page.locator("summary").first.click()
    assert page.locator("details table").first.is_visible()
