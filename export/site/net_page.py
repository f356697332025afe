"""The page of a net: what is shown beside the gallery's figures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from export.bundle.sums import read_sums
from export.formats.table import FORMATS
from export.layout import CARD, FILES, FOLDED, SIGNATURE, SUMS
from export.site import bundles
from export.site.chain import Link, chain
from export.site.drawing import Chart, draw_chain, draw_curves
from export.site.markdown import section, to_html
from export.site.pages import Pages
from export.site.pictures import kernel_picture
from zoo import Weight, build_from, load_weight
from zoo.cards.wording import again_command, again_note, recipe_text, run_text
from zoo.datasets import find_dataset
from zoo.files import read_json
from zoo.nets.identity import identity_shares

WIDE = 360
"""Pixels on the page that a kernel's picture takes at most."""
KERNELS = 3
"""Kernels that are shown as pictures: the stem's and those of the first blocks."""


def write_net(pages: Pages, out: Path, record: Weight, figures: Mapping[str, Any], bundle: Path) -> None:
    """Write a net's page, its pictures, its card, and copy its bundle.

    Args:
        pages: the templates.
        out: the site's folder.
        record: the weights.
        figures: what `export.site.figures.trained` says about them.
        bundle: their bundle.
    """
    folder = out / "nets" / figures["id"]
    folder.mkdir(parents=True)
    shutil.copytree(bundle, out / figures["bundle"], ignore=shutil.ignore_patterns(SIGNATURE))
    card = (bundle / CARD).read_text(encoding="utf-8")
    links = chain(record.spec, record.preprocessing.size)
    root = "../../"
    pages.write("card", folder / "card.html", root, net=figures, card=to_html(card))
    pages.write(
        "net",
        folder / "index.html",
        root,
        net=figures,
        chain=draw_chain(links, record.preprocessing.size),
        links=links,
        shares=list(identity_shares(build_from(load_weight(record, "dirac")))),
        kernels=list(_kernels(folder, bundle, links)),
        charts=_charts(record),
        recipe=recipe_text(record.recipe, record.provenance).replace("`", ""),
        command=again_command(figures["reference"], record.dataset),
        teacher_gone=again_note(figures["reference"], record.provenance).replace("`", ""),
        run=run_text(record.provenance),
        measured=record.provenance["measured"],
        note=find_dataset(record.dataset).note,
        files=_files(bundle),
        limits=to_html(section(card, "Limits")),
        preparing=to_html(section(card, "Preprocessing")),
        usage=to_html(section(card, "Use")),
    )


def _files(bundle: Path) -> list[dict[str, Any]]:
    """Return each file of a bundle with what it is, its size and its sha256, the largest first."""
    formats = (FORMATS[name].note(read_json(bundle / "config.json"), "").files for name in bundles.FORMATS)
    told = {**FILES, **{file: what for files in formats for file, what in files.items()}}
    told[CARD] = "the card, for people and model hubs"
    rows = [
        {"path": name, "what": told.get(name, ""), "size": (bundle / name).stat().st_size, "sha256": digest}
        for name, digest in read_sums(bundle / SUMS).items()
    ]
    return sorted(rows, key=lambda row: (-int(row["size"]), str(row["path"])))


def _kernels(folder: Path, bundle: Path, links: Sequence[Link]) -> list[dict[str, Any]]:
    """Write pictures of the first kernels into a folder, and return what is told about each."""
    state = load_file(bundle / FOLDED)
    shown = []
    for link in [link for link in links if link.kind == "conv"][:KERNELS]:
        content, width, height = kernel_picture(state[f"{link.name}.weight"])
        scale = max(1, min(6, WIDE // width))
        name = f"{link.name}.png"
        (folder / name).write_bytes(content)
        shown.append({"file": name, "link": link, "width": width * scale, "height": height * scale})
    return shown


def _charts(record: Weight) -> dict[str, Chart]:
    """Return the charts of a training log."""
    if record.folder is None:
        raise ValueError(f"{record.model}:{record.tag} was not trained here, so it has no log")
    lines = (record.folder / record.provenance["log"]["path"]).read_text(encoding="utf-8").splitlines()
    history = [json.loads(line) for line in lines]
    return {
        "Accuracy": draw_curves(history, {"train_top1": "training pictures", "top1": "test pictures"}, "%"),
        "Loss": draw_curves(history, {"train_loss": "training pictures", "loss": "test pictures"}, ""),
    }
