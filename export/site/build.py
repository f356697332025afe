"""The whole site in one folder: pages, styles, scripts, data, bundles."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from export.bundle.sums import write_sums
from export.layout import CARD
from export.site.bundles import site_bundle
from export.site.figures import Reports, names_without_weights, trained, untrained
from export.site.net_page import write_net
from export.site.pages import Pages
from zoo import Weight
from zoo.files import new_folder, read_json, write_json
from zoo.weights.record import all_weights

DATA, MARK = "data/nets.json", "data/site.json"
"""The figures of all nets; and what a site is recognised by."""
LOADER, WASM = "ort.wasm.min.mjs", "ort-wasm-simd-threaded.wasm"
VENDOR = {LOADER: "upstream.wasm.min.mjs", "ort-wasm-simd-threaded.mjs": "ort-wasm-simd-threaded.mjs"}
"""The files of onnxruntime-web that its WebAssembly backend needs, beside WASM → their names in the site.

WASM itself is packed; under the name LOADER stands what unpacks it, from `site/runtime/`.
"""
COPIED = ("styles", "scripts", "samples")
"""Folders of `site/` that are copied as they are."""


def build_site(
    root: Path,
    out: Path,
    *,
    bundles: Path,
    runtime: Path | None = None,
    guide: Path | None = None,
    code: str | None = None,
    records: Iterable[Weight] | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> int:
    """Write the site, whole or not at all, and return how many nets have a page.

    Args:
        root: the repository's root: its `site/` has templates, styles and scripts, its `docs/` the reports.
        out: the folder to write; a site that this function wrote is replaced.
        bundles: the folder where bundles are kept between builds; see `site_bundle`.
        runtime: the installed npm package onnxruntime-web; without it the pages run no net.
        guide: a built guide to take along, as `guide/`.
        code: the address of the code, for the footer.
        records: the weights; by default all that were trained here.
        on_stage: called with a description of each step.

    Raises:
        ValueError: `out` exists and is no site, or `root` is no clone.
        FileNotFoundError: `runtime` lacks a file, or `guide` is no guide.
    """
    source = root / "site"
    if not (source / "templates").is_dir():
        raise ValueError(f"{root} is not a clone of the repository: it has no site/templates")
    if runtime is not None:
        _require_runtime(runtime)
    if guide is not None and not (guide / "index.html").is_file():
        raise FileNotFoundError(f"{guide} is not a built guide: it has no index.html; `make guide` builds one")
    chosen = [one for one in all_weights().values() if one.folder] if records is None else list(records)
    bundles.mkdir(parents=True, exist_ok=True)
    found = [(record, site_bundle(record, bundles, on_stage)) for record in chosen]
    reports = Reports.read(root / "docs")
    nets = [trained(record, bundle, reports) for record, bundle in found]
    bare = [untrained(name, spec, reports) for name, spec in names_without_weights().items()]
    # Not as a folder beside: what is copied below must not meet a half-written page.
    with new_folder(out, may_replace=require_site) as folder:
        for name in COPIED:
            shutil.copytree(source / name, folder / name)
        shutil.copyfile(root / "docs" / "cat.jpg", folder / "samples" / "cat.jpg")
        if runtime is not None:
            on_stage("copying onnxruntime-web")
            _copy_runtime(runtime, source / "runtime" / LOADER, folder / "vendor" / "onnxruntime-web")
        if guide is not None:
            shutil.copytree(guide, folder / "guide")
        pages = Pages(source / "templates", {"guide": guide is not None, "code": code})
        for (record, bundle), figures in zip(found, nets, strict=True):
            on_stage(f"the page of {figures['reference']}")
            write_net(pages, folder, record, figures, bundle)
        pages.write("gallery", folder / "index.html", "", nets=nets, untrained=bare)
        pages.write("try", folder / "try" / "index.html", "../", nets=nets)
        pages.write("own", folder / "own" / "index.html", "../", nets=nets)
        write_json(folder / DATA, {"nets": nets, "untrained": bare})
        write_json(folder / MARK, {"site": "diracnet-zoo", "runtime": runtime is not None})
        shutil.copyfile(source / "space.md", folder / CARD)
        write_sums(folder)
    return len(nets)


def require_site(folder: Path) -> None:
    """Raise ValueError unless a folder is a site that `make site` built."""
    try:
        ours = read_json(folder / MARK).get("site") == "diracnet-zoo"
    except ValueError:
        ours = False
    if not ours:
        raise ValueError(f"{folder} is not a site that `make site` built: it has no {MARK} of one")


def _require_runtime(package: Path) -> None:
    for name in ("package.json", *(f"dist/{name}" for name in (*VENDOR, WASM))):
        if not (package / name).is_file():
            raise FileNotFoundError(
                f"{package} is not the npm package onnxruntime-web: it has no {name}; `make site` installs it in "
                "site/node_modules"
            )


def _copy_runtime(package: Path, loader: Path, out: Path) -> None:
    out.mkdir(parents=True)
    for name, own in VENDOR.items():
        shutil.copyfile(package / "dist" / name, out / own)
    shutil.copyfile(loader, out / LOADER)
    (out / f"{WASM}.gz").write_bytes(gzip.compress((package / "dist" / WASM).read_bytes(), mtime=0))
    version = read_json(package / "package.json")["version"]
    (out / "VERSION").write_text(f"onnxruntime-web {version}\n", encoding="utf-8")
