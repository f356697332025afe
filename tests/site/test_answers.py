"""Nets in Chromium: Python's answers for each net and each odd picture, the proof, nets of one's own, no mouse."""

import json
import runpy
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from export.runtime import Classifier
from pixels import open_picture

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
CAT = ROOT / "docs" / "cat.jpg"
SMALL = "diracnet10_cifar-cifar10"
NETS = sorted(path.name for path in (ROOT / "build" / "site" / "bundles").glob("*"))
GRAPHS = {"fp32": "model", "fp16": "model_fp16", "int8": "model_quantized"}
EXACT = ["plain.png", *(f"good/{name}.png" for name in ("rgb16", "rgba16", "grey16", "palette", "palette-transparent"))]
EXACT += [
    f"good/{name}.png" for name in ("bits", "rgba", "la", "colour-key", "animated", "turned-3", "turned-6", "1x1")
]
EXACT += [
    f"good/{name}" for name in ("animated.gif", "animated.webp", "turned-3.webp", "turned-6.webp", "20000x10.png")
]
REFUSED = {
    "good/cmyk.jpg": "CMYK",
    "good/cmyk.tif": "TIFF is not read here",
    "good/grey16.pgm": "PNM is not read here",
    "bad/text.jpg": "no picture",
    "bad/empty.jpg": "The file is empty",
    "bad/head.png": "The PNG has no header",
    "bad/bomb.png": "900 million",
}


def ready(page) -> None:
    page.set_default_timeout(120_000)  # on busy machines
    page.get_by_text("Ready. Nothing leaves this browser.").wait_for()


def give(page, path: Path) -> None:
    """Choose a picture and wait until every net has answered."""
    before = page.locator(".results").get_attribute("data-answered")
    page.locator("#picture").set_input_files(path)
    page.wait_for_function(
        "before => { const now = document.querySelector('.results').dataset.answered; return now && now !== before; }",
        arg=before,
    )


def found(page, graph: str = "fp32") -> tuple[str, np.ndarray]:
    """Return the first class on a card, and the logits."""
    card = page.locator(f'.card-answer[aria-label$=", {graph}"]').first
    logits = json.loads(card.locator(".card-body").get_attribute("data-logits"))
    return card.locator(".bar-label").first.text_content(), np.array(logits)


def expected(bundle: Path, picture: Path, graph: str = "fp32") -> tuple[str, np.ndarray]:
    net = Classifier(bundle / "onnx" / f"{GRAPHS[graph]}.onnx")
    opened = open_picture(picture)
    return net.predict(opened)[0][0].label, net.logits(net.preprocess(opened)[None])[0]


def same(one: tuple[str, np.ndarray], other: tuple[str, np.ndarray]) -> None:
    assert one[0] == other[0]
    np.testing.assert_allclose(one[1], other[1], rtol=0, atol=1e-3)


@pytest.mark.parametrize("net", NETS)
def test_every_net_answers_as_in_python(net, visit, built) -> None:
    page = visit(f"try/index.html?net={net}")
    ready(page)
    give(page, CAT)
    for graph in ("fp32", "int8"):
        same(found(page, graph), expected(built / "bundles" / net, CAT, graph))
    # fp16 is rounded after each layer, by other kernels here and there.
    label, logits = found(page, "fp16")
    python = expected(built / "bundles" / net, CAT, "fp16")
    assert label == python[0]
    np.testing.assert_allclose(logits, python[1], rtol=0, atol=2e-2)


def test_odd_pictures_are_read_as_in_python_or_refused_with_the_reason(visit, built, odd_pictures, tmp_path) -> None:
    page = visit(f"try/index.html?net={SMALL}")
    ready(page)
    for name in EXACT:
        give(page, odd_pictures / name)
        assert page.locator(".problem[role=alert]").is_hidden(), name
        same(found(page), expected(built / "bundles" / SMALL, odd_pictures / name))
    for name, reason in REFUSED.items():
        give(page, odd_pictures / name)
        assert reason in page.locator(".problem[role=alert]").text_content(), name
    photograph = Image.open(CAT)
    exif = Image.Exif()
    exif[0x0112] = 6
    for number, options in enumerate(({"exif": exif}, {"progressive": True}, {"subsampling": 0, "quality": 95})):
        path = tmp_path / f"{number}.jpg"
        photograph.save(path, **options)
        give(page, path)
        same(found(page), expected(built / "bundles" / SMALL, path))
    for name, picture in {"grey.jpg": photograph.convert("L"), "24.bmp": photograph}.items():
        picture.save(tmp_path / name)
        give(page, tmp_path / name)
        same(found(page), expected(built / "bundles" / SMALL, tmp_path / name))
    if features.check("webp"):
        photograph.save(tmp_path / "lossy.webp", quality=80)
        give(page, tmp_path / "lossy.webp")
        same(found(page), expected(built / "bundles" / SMALL, tmp_path / "lossy.webp"))


def test_two_nets_stand_beside_each_other(visit, built) -> None:
    page = visit(f"try/index.html?net={SMALL}")
    ready(page)
    page.get_by_label("fp16", exact=True).uncheck()
    page.get_by_label("Beside it").select_option("diracnet10_x2_cifar-fashion_mnist")
    ready(page)
    give(page, built / "samples" / "t-shirt.png")
    assert page.locator(".net-answers").count() == 2 and page.locator(".card-answer .bars").count() == 4
    assert page.locator('.card-answer[aria-label*="fashion"] .bar-label').first.text_content() == "T-shirt/top"


def test_the_proof_is_green(visit) -> None:
    page = visit(f"nets/{SMALL}/index.html")
    page.get_by_role("button", name="Prove it now").click()
    page.locator(".verdict.good").wait_for()
    assert page.locator(".checks .failed").count() == 0
    assert page.locator(".checks tbody tr").count() == page.locator(".files tbody tr").count() - 1 + 6


def test_a_flipped_byte_turns_the_proof_red(visit, built, tmp_path) -> None:
    folder = tmp_path / "site"
    skip = shutil.ignore_patterns(*(set(NETS) - {SMALL}))
    shutil.copytree(built, folder, ignore=skip)
    graph = folder / "bundles" / SMALL / "onnx" / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 0x40
    graph.write_bytes(content)
    serving = CONFTEST["serve"](folder)
    page = visit(f"nets/{SMALL}/index.html", at=next(serving))
    page.get_by_role("button", name="Prove it now").click()
    page.locator(".verdict.bad").wait_for()
    assert "onnx/model.onnx" in page.locator(".checks .failed th").all_text_contents()
    assert page.locator(".checks .passed").count() > 15
    next(serving, None)


@pytest.mark.parametrize("kind", ["onnx", "zip"])
def test_a_net_of_one_s_own_is_tried_and_proven(kind, visit, built, tmp_path) -> None:
    bundle = built / "bundles" / SMALL
    path = bundle / "onnx" / "model.onnx"
    if kind == "zip":
        path = tmp_path / "bundle.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for each in bundle.rglob("*"):
                file.write(each, Path("mine") / each.relative_to(bundle))
    page = visit("own/index.html")
    page.locator("#file").set_input_files(path)
    ready(page)
    give(page, CAT)
    same(found(page, "model.onnx" if kind == "onnx" else "fp32"), expected(bundle, CAT))
    if kind == "zip":
        page.get_by_role("button", name="Prove it now").click()
        page.locator(".verdict.good").wait_for()


def test_of_two_files_given_quickly_the_second_counts(visit, built) -> None:
    page = visit("own/index.html")
    for precision in ("model", "model_fp16"):
        page.locator("#file").set_input_files(built / "bundles" / SMALL / "onnx" / f"{precision}.onnx")
    page.get_by_text("model_fp16.onnx is open").wait_for()
    ready(page)
    assert page.get_by_role("alert").count() == 0 and page.locator("dl.facts").count() == 1


def test_what_is_no_net_is_refused(visit, tmp_path) -> None:
    page = visit("own/index.html")
    for name, content, reason in (
        ("x.onnx", b"no net at all", "no .onnx file"),
        ("x.zip", b"PK\x03\x04 and no more", "no directory"),
        ("x.txt", b"words", "holds no .onnx file"),
    ):
        (tmp_path / name).write_bytes(content)
        page.locator("#file").set_input_files(tmp_path / name)
        page.get_by_role("alert").filter(has_text=reason).wait_for()


def test_without_a_network_an_open_net_goes_on(visit, built) -> None:
    page = visit(f"try/index.html?net={SMALL}", ignore="ERR_INTERNET_DISCONNECTED")
    ready(page)
    page.context.set_offline(True)
    give(page, CAT)
    same(found(page), expected(built / "bundles" / SMALL, CAT))
    page.locator("#net").select_option("diracnet28_cifar-cifar10")
    page.get_by_text("cannot be fetched; look whether the network is there").first.wait_for()


def test_keyboard_alone(visit) -> None:
    page = visit(f"try/index.html?net={SMALL}")
    ready(page)
    sample = page.get_by_role("button", name="Sample: a cat's face")
    for _ in range(40):
        page.keyboard.press("Tab")
        if sample.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.locator("[data-answered]").wait_for()
    assert found(page)[0] == "cat"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["try/index.html", "own/index.html", f"nets/{SMALL}/index.html"])
def test_nothing_serious_for_axe_and_no_overflow_on_a_phone(path, scheme, visit, axe, overflow) -> None:
    page = visit(path, color_scheme=scheme, viewport=CONFTEST["PHONE"])
    if path.startswith("try"):
        ready(page)
        give(page, CAT)
    if path.startswith("nets"):
        page.get_by_role("button", name="Prove it now").click()
        page.locator(".verdict.good").wait_for()
    assert axe(page) == []
    assert overflow(page) == 0
