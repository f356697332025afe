"""The guide: every page is in its navigation, every link leads somewhere, and nothing is fetched from elsewhere."""

import importlib
import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from export.site.guide import DOORS, MODULES, Sources, build_guide, place, reference, require_guide
from export.site.links import Page, check_links, forbid_foreign

HEAD = '<html><head><meta charset="utf-8"></head>'


def test_every_page_is_in_the_navigation(root) -> None:
    text = (root / "site" / "guide" / "zensical.toml").read_text(encoding="utf-8")
    listed = re.findall(r'= "([^"]+\.md)"', text)
    assert len(listed) == len(set(listed))
    sources = Sources(root)
    pages = {place(page) for page in (*sources.pages, *sources.notebooks)}
    assert set(listed) == pages | {f"reference/{name}.md" for name in (*MODULES, *DOORS)}
    assert {path.stem for path in (root / "docs").glob("*.md")} <= {Path(page).stem for page in Sources(root).pages}


@pytest.mark.parametrize("page", Sources(Path()).pages)
def test_a_page_s_links_lead_somewhere(page, root) -> None:
    text = Sources(root, "https://forge.example/me/zoo").page(page, (root / page).read_text(encoding="utf-8"))
    assert "img.shields.io" not in text and "<picture>" not in text


@pytest.fixture
def sources(tmp_path) -> Sources:
    for name in ("README.md", "docs/README.md", "docs/one.md", "docs/plot.png", "docs/dark.png", "zoo/code.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return Sources(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](../README.md#b)", "[a](../index.md#b)"),
        ("[`a`](one.md), [b](#c)", "[`a`](one.md), [b](#c)"),
        ("[`code`](../zoo/code.py) and [rooms](../zoo)", "`code` and rooms"),
        ("![plot](plot.png)", "![plot](plot.png)"),
        ("a [![b](https://c.example/d)](https://e.example) ![f](https://g.example/h)", "a  "),
        ("```\n[a](none.md)\n```", "```\n[a](none.md)\n```"),
        ("[a](https://b.example/c)", "[a](https://b.example/c)"),
        (
            '<picture>\n  <source media="x" srcset="dark.png">\n  <img src="plot.png" alt="a\n  b">\n</picture>',
            '<img src="plot.png#only-light" alt="a b"><img src="dark.png#only-dark" alt="a b">',
        ),
    ],
)
def test_links_are_made_fit(text, expected, sources) -> None:
    assert sources.page("docs/one.md", text) == expected


def test_links_to_code_lead_to_the_code_if_its_address_is_known(sources) -> None:
    known = Sources(sources.root, "https://forge.example/me/zoo")
    assert known.page("docs/one.md", "[a](../zoo/code.py)") == "[a](https://forge.example/me/zoo/blob/HEAD/zoo/code.py)"


@pytest.mark.parametrize(
    "text",
    [
        *("[a](none.md)", "![a](none.png)", "[a](../zoo/none.py)"),
        '<picture><source srcset="none.png"><img src="plot.png" alt="a"></picture>',
    ],
)
def test_a_link_to_nothing_is_refused(text, sources) -> None:
    with pytest.raises(ValueError, match=r"docs/one\.md (leads to|shows) .*none\.\w+, which is not there"):
        sources.page("docs/one.md", text)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="none.html">', "leads to none.html, which is not there"),
        ('<a href="page.html#none">', "leads to page.html#none, an anchor that is not there"),
        ('<img src="none.png">', "leads to none.png"),
        ('<script src="https://cdn.example/x.js"></script>', "fetches https://cdn.example/x.js"),
        ('<img srcset="a.png 1x, //cdn.example/b.png 2x">', "fetches //cdn.example/b.png"),
        ('<link rel="preconnect" href="https://fonts.example">', "fetches https://fonts.example"),
        ('<autoref identifier="zoo.none">', "does not resolve zoo.none"),
    ],
)
def test_faults_of_built_pages_are_found(body, fault, tmp_path) -> None:
    (tmp_path / "page.html").write_text(
        '<p id="here"><a href="#here"><a href="https://a.example"><a href="../index.html">'
    )
    assert check_links(tmp_path) == 1
    (tmp_path / "bad.html").write_text(body)
    with pytest.raises(ValueError, match=f"bad.html: {re.escape(fault)}"):
        check_links(tmp_path)


def test_foreign_fonts_of_a_style_sheet_are_found(tmp_path) -> None:
    (tmp_path / "a.css").write_text('@font-face { src: url("https://fonts.example/a.woff2") }')
    with pytest.raises(ValueError, match=r"a\.css: fetches"):
        check_links(tmp_path)


def test_the_policy_allows_the_page_s_own_scripts_alone(tmp_path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"{HEAD}<script>one()</script><script>one()</script><script src='a.js'></script>")
    forbid_foreign(page)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page.read_text())
    assert "default-src 'none'; script-src 'self' 'sha256-" in policy
    assert policy.count("sha256-") == 1 and "http" not in policy and "unsafe-inline" not in policy.split("style-src")[0]


def test_the_reference_names_what_is_public() -> None:
    for module in MODULES:
        public = importlib.import_module(module).__all__
        assert set(re.findall(r"^        - (\w+)$", reference(module), flags=re.MULTILINE)) == set(public)


def test_only_a_guide_is_replaced(tmp_path, root) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not a guide"):
        build_guide(root, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("zensical") is None, reason="the `site` extra is not installed")
def test_the_built_guide_has_every_public_name(tmp_path, root) -> None:
    count = build_guide(root, tmp_path / "guide", run=False)
    require_guide(tmp_path / "guide")
    assert count == len(Sources(root).pages) + len(Sources(root).notebooks) + len(MODULES) + len(DOORS)
    for module in MODULES:
        text = (tmp_path / "guide" / "reference" / f"{module}.html").read_text(encoding="utf-8")
        public = importlib.import_module(module).__all__
        assert {f"{module}.{name}" for name in public} <= Page(text).anchors
        # Doctests are code, not quotations.
        assert "<blockquote>" not in text and ("&gt;&gt;&gt;" in text or module == "export.runtime")
    found = json.loads((tmp_path / "guide" / "search.json").read_text(encoding="utf-8"))
    assert {"docs/layers.html", "reference/zoo.html"} <= {item["location"].partition("#")[0] for item in found["items"]}
    assert sum(path.stat().st_size for path in (tmp_path / "guide").rglob("*") if path.is_file()) < 5e6
