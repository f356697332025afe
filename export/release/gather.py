"""Everything that a release of the code consists of, in one folder: wheels, bundles, notes, sums."""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from export.bundle.sums import write_sums
from export.bundle.writer import export_bundle
from zoo import Weight, load_weight
from zoo.files import new_folder
from zoo.weights.record import all_weights
from zoo.weights.reference import Hub

VERSION, NOTES, ASSETS = "VERSION", "NOTES.md", "assets"


def gather(
    root: Path,
    wheels: Path,
    out: Path,
    *,
    namespace: str | None = None,
    records: Iterable[Weight] | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> str:
    """Write the folder of a release, whole or not at all, and return the version.

    Its `assets/` is what GitHub shows beside a release: the wheels, a verified bundle of each set of weights in all
    formats, and SHA256SUMS of these. NOTES.md has the changelog's words on this version, and VERSION its number.

    Args:
        root: the repository's root.
        wheels: a folder of wheels; each is of this release.
        out: the folder to write.
        namespace: the account on the Hub that the bundles' cards name; without one they name none.
        records: the weights; by default all that were trained here.
        on_stage: called with a description of each step.

    Raises:
        ValueError: wheels, CITATION.cff and CHANGELOG.md do not have one and the same version; `namespace` is no
            account; or `out` exists.
    """
    if namespace is not None and Hub.parse(f"{namespace}/net") is None:
        raise ValueError(f"namespace {namespace!r}: it is no account on the Hub, such as acme")
    files = sorted(wheels.glob("*.whl"))
    number = version(root, files)
    chosen = [one for one in all_weights().values() if one.folder] if records is None else records
    with new_folder(out) as folder:
        (folder / VERSION).write_text(f"{number}\n", encoding="utf-8")
        (folder / NOTES).write_text(notes(root, number), encoding="utf-8")
        assets = folder / ASSETS
        assets.mkdir()
        for file in files:
            shutil.copyfile(file, assets / file.name)
        for record in chosen:
            name = f"{record.model}-{record.tag}"
            on_stage(f"exporting {name}")
            named = replace(record, repository=f"{namespace}/{name}", revision=None) if namespace else record
            export_bundle(load_weight(record, "dirac"), folder / name, record=named, formats=("all",))
            pack(folder / name, assets / f"{name}.tar.gz")
            shutil.rmtree(folder / name)
        write_sums(assets)
    return number


def version(root: Path, wheels: Iterable[Path]) -> str:
    """Return the one version that the wheels, CITATION.cff and the newest part of CHANGELOG.md have."""
    found = {path.name: path.name.split("-")[1] for path in wheels}
    if not found:
        raise ValueError("there are no wheels; `make wheels` builds them")
    for name, pattern in (("CITATION.cff", r"^version: (\S+)$"), ("CHANGELOG.md", r"^## (\S+)")):
        match = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        found[name] = match[1] if match else "none"
    if len(set(found.values())) > 1:
        told = ", ".join(f"{name} has {number}" for name, number in found.items())
        raise ValueError(f"the versions differ: {told}; distributions/parts.py says what the wheels shall have")
    return found["CITATION.cff"]


def notes(root: Path, number: str) -> str:
    """Return what CHANGELOG.md says about a version, under the heading that it has there."""
    parts = re.split(r"^(?=## )", (root / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return next(part for part in parts if part.startswith(f"## {number}")).rstrip() + "\n"


def pack(folder: Path, archive: Path) -> None:
    """Pack a folder; equal folders give equal archives."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted([folder, *folder.rglob("*")]):
            tar.add(path, path.relative_to(folder.parent), recursive=False, filter=plain)
