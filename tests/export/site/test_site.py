"""What `make site` builds, without npm and without a browser: links, the policy, escaping, refusals."""

import gzip
import json
import re
import runpy
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import numpy as np
import pytest
from PIL import Image

from export.bundle.sums import FOREIGN, read_sums
from export.site.build import LOADER, VENDOR, WASM, build_site, require_site
from export.site.bundles import site_bundle
from zoo import Weight
from zoo.layout import LEFT_BEHIND

SITE = Path(__file__).resolve().parents[3] / "site"
LOADS = {("link", "href"), ("script", "src"), ("img", "src"), ("use", "href"), ("source", "src"), ("iframe", "src")}


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize(("name", "expected"), [("FOREIGN", FOREIGN), ("LEFT_BEHIND", LEFT_BEHIND)])
def test_names_that_no_proof_is_about_are_those_of_python(name: str, expected: tuple[str, ...]) -> None:
    text = (SITE / "scripts" / "engine" / "sums.js").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^export const {name} = (.*);$", text, re.MULTILINE)
    assert json.loads(found) == list(expected)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {path: Page(path) for path in site.rglob("*.html")}
    assert len(found) == 5
    return found


def test_every_link_leads_to_a_file_and_every_fragment_to_a_part(pages: dict[Path, Page]) -> None:
    followed = 0
    for path, page in pages.items():
        for _, attributes in page.tags:
            for name in ("href", "src"):
                address = attributes.get(name)
                if address is None or address.startswith("https://"):
                    continue
                assert not address.startswith(("/", "http:", "data:", "javascript:")), address
                plain, fragment = urldefrag(address)
                target = (path.parent / unquote(plain.partition("?")[0])).resolve() if plain else path
                assert target.is_file(), f"{path}: {address}"
                if fragment and target.suffix == ".html":
                    assert fragment in {one.get("id") for _, one in pages[target].tags}, f"{path}: {address}"
                followed += 1
    assert followed > 60


def test_every_page_has_the_policy_and_loads_nothing_from_elsewhere(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert rules["style-src"] == rules["connect-src"] == "'self'"
        assert not re.search(r"https?:|\*|unsafe-inline|'unsafe-eval'", policy)
        for tag, attributes in page.tags:
            assert "style" not in attributes and not any(name.startswith("on") for name in attributes), (path, tag)
            for name in ("href", "src", "srcset", "action"):
                if (tag, name) in LOADS:
                    assert "//" not in (attributes.get(name) or ""), (path, tag)
        assert all(one.get("src") and one["type"] == "module" for one in page.all("script"))
        assert not page.all("style")


def test_what_records_say_is_shown_and_not_obeyed(pages: dict[Path, Page], small: tuple[Weight, Path]) -> None:
    hostile = small[0].dataset
    net = next(page for path, page in pages.items() if path.parent.name.endswith("-mine") and path.stem == "index")
    assert net.text.count(hostile) >= 3  # the data set, the measurement, the licence, a label
    for page in pages.values():
        assert not any("evil.example" in (one.get("src") or "") for one in page.all("img"))
        assert "alert" not in "".join(str(one) for one in page.all("script"))


def test_the_bundle_is_served_as_it_was_exported(site: Path, small: tuple[Weight, Path]) -> None:
    source, served = small[1] / "diracnet10_x0_25_cifar-mine", site / "bundles" / "diracnet10_x0_25_cifar-mine"
    names = sorted(path.relative_to(source) for path in source.rglob("*"))
    assert names == sorted(path.relative_to(served) for path in served.rglob("*"))
    assert all(
        (source / name).is_dir() or (source / name).read_bytes() == (served / name).read_bytes() for name in names
    )
    text = (site / "nets" / "diracnet10_x0_25_cifar-mine" / "index.html").read_text(encoding="utf-8")
    assert all(digest in text and f"{name}</a>" in text for name, digest in read_sums(source / "SHA256SUMS").items())


def test_the_table_and_the_data_have_the_records_figures(pages: dict[Path, Page], site: Path) -> None:
    data = json.loads((site / "data" / "nets.json").read_text(encoding="utf-8"))
    (net,) = data["nets"]
    assert net["top1"] == 61.25 and net["device"] is None and net["int8_top1"] is None
    gallery = pages[site / "index.html"]
    (row,) = [one for one in gallery.all("tr") if "data-top1" in one]
    assert float(row["data-top1"]) == net["top1"] and int(row["data-parameters"]) == net["parameters"]
    assert int(row["data-fp32"]) == (site / net["bundle"] / net["graphs"]["fp32"]).stat().st_size
    assert "61.25%" in gallery.text
    assert all(one["model"] in gallery.text for one in data["untrained"])


def test_the_same_sources_give_the_same_site(
    site: Path, small: tuple[Weight, Path], root: Path, tmp_path: Path
) -> None:
    build_site(root, tmp_path / "again", bundles=small[1], records=[small[0]])
    for path in site.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (tmp_path / "again" / path.relative_to(site)).read_bytes()


def test_a_site_is_replaced_and_nothing_else(small: tuple[Weight, Path], root: Path, tmp_path: Path) -> None:
    record, bundles = small
    out = tmp_path / "site"
    build_site(root, out, bundles=bundles, records=[record])
    (out / "left-over").touch()
    build_site(root, out, bundles=bundles, records=[record])
    assert not (out / "left-over").exists()
    (out / "data" / "site.json").unlink()
    with pytest.raises(ValueError, match=r"is not a site that `make site` built"):
        build_site(root, out, bundles=bundles, records=[record])
    with pytest.raises(ValueError, match=r"is not a site"):
        require_site(tmp_path)
    with pytest.raises(ValueError, match="is not a clone"):
        build_site(tmp_path, tmp_path / "other", bundles=bundles, records=[record])
    assert not (tmp_path / "other").exists()


def test_a_bundle_that_is_damaged_or_another_net_s_is_not_served(small: tuple[Weight, Path], tmp_path: Path) -> None:
    record, bundles = small
    name = f"{record.model}-{record.tag}"
    shutil.copytree(bundles / name, tmp_path / name)
    assert site_bundle(record, tmp_path) == tmp_path / name
    other = replace(record, files={**record.files, "folded": replace(record.files["folded"], sha256="0" * 64)})
    with pytest.raises(ValueError, match="is not the bundle of"):
        site_bundle(other, tmp_path)
    graph = tmp_path / name / "onnx" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    with pytest.raises(ValueError, match=r"damaged: onnx/model\.onnx is altered"):
        site_bundle(record, tmp_path)


def test_the_runtime_comes_along_with_its_version(small: tuple[Weight, Path], root: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "dist").mkdir(parents=True)
    for name in (*VENDOR, WASM, "ort.all.min.js"):
        (package / "dist" / name).write_text(name)
    (package / "package.json").write_text('{"version": "1.2.3"}')
    build_site(root, tmp_path / "site", bundles=small[1], records=[small[0]], runtime=package)
    vendor = tmp_path / "site" / "vendor" / "onnxruntime-web"
    assert {path.name for path in vendor.iterdir()} == {*VENDOR.values(), LOADER, f"{WASM}.gz", "VERSION"}
    assert gzip.decompress((vendor / f"{WASM}.gz").read_bytes()) == WASM.encode()
    assert all((vendor / own).read_text() == name for name, own in VENDOR.items())
    assert (vendor / "VERSION").read_text() == "onnxruntime-web 1.2.3\n"


@pytest.mark.parametrize(
    ("what", "message"), [("runtime", "is not the npm package onnxruntime-web"), ("guide", "is not a built guide")]
)
def test_what_is_to_come_along_is_looked_for_before_anything_is_exported(
    what: str, message: str, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=message):
        build_site(root, tmp_path / "site", bundles=tmp_path / "bundles", records=[], **{what: tmp_path})
    assert not list(tmp_path.iterdir())


def test_samples_come_along_with_their_licences(site: Path, root: Path) -> None:
    samples = json.loads((site / "samples" / "samples.json").read_text(encoding="utf-8"))
    files = {path.name for path in (site / "samples").iterdir()}
    assert files == {sample["file"] for sample in samples} | {"samples.json"}
    assert all(sample["licence"] and sample["source"] and sample["alt"] for sample in samples)
    drawn = runpy.run_path(str(root / "docs" / "pictures" / "clothes.py"))
    for name, parts in drawn["CLOTHES"].items():
        kept, again = Image.open(site / "samples" / f"{name}.png"), drawn["draw"](parts)
        # Pillow's versions differ by two levels in a pixel.
        np.testing.assert_allclose(np.asarray(kept, int), np.asarray(again, int), rtol=0, atol=2)


def test_the_lock_file_pins_hashes_and_names_no_host(root: Path) -> None:
    text = (root / "site" / "package-lock.json").read_text(encoding="utf-8")
    lock = json.loads(text)
    wanted = json.loads((root / "site" / "package.json").read_text(encoding="utf-8"))
    own = lock["packages"].pop("")
    assert "http" not in text
    assert all("integrity" in package for package in lock["packages"].values())
    for kind in ("dependencies", "devDependencies"):
        assert own[kind] == wanted[kind]
        assert all(
            lock["packages"][f"node_modules/{name}"]["version"] == version for name, version in own[kind].items()
        )
