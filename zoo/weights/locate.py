"""Finds and verifies the file of a record of weights: in the clone's `checkpoints/`, a cache, the Hub, or GitHub."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from zoo.files import replace_file, sha256
from zoo.layout import FORMS
from zoo.weights.checkpoint import Checkpoint, state_digest
from zoo.weights.fetching import cache
from zoo.weights.github import addresses, download
from zoo.weights.hub import fetch
from zoo.weights.published import Source, find, obtain
from zoo.weights.record import Weight, WeightFile
from zoo.weights.upstream import read_upstream


def load_weight(weight: Weight, form: str, mirror: Path | None = None) -> Checkpoint:
    """Return the checkpoint of a record in one form, its file's sha256 checked at every call.

    The file is looked for in the clone's `checkpoints/`, then in the local cache, then on the Hub; for torch.hub, if it
    was never published there, in the commit on GitHub that its archive was made of; the original authors' files in
    PyTorch's cache, then at each of their addresses. Nothing but this one file is downloaded.

    Args:
        weight: the record.
        form: "dirac" or "folded".
        mirror: a folder to take the file from instead of all these. It may be stored there as in `checkpoints/`
            (`MODEL/TAG/…`), as on the Hub (`ORG/NAME/…`), as a bundle (`MODEL-TAG/…`), or the folder may be one of
            these itself.

    Raises:
        ValueError: the record has no file in this form, or the file is damaged.
        FileNotFoundError: the file is not on this machine, and was never published or must not be fetched.
        RuntimeError: it could not be downloaded.

    Example:
        >>> import zoo
        >>> zoo.load_weight(zoo.get_weight("diracnet16_cifar", "cifar10"), "folded").form
        'folded'
    """
    if form not in FORMS:
        raise ValueError(f"form={form!r}: allowed are {', '.join(FORMS)}")
    if form not in weight.files:
        there = [name for name in FORMS if name in weight.files]
        raise ValueError(
            f"{weight.model}:{weight.tag} has no file in {form} form whose hash is known, only in "
            f"{' and '.join(there)} form: pass folded={'folded' in there}. A file that you trust is read by "
            "zoo.load_upstream"
        )
    path, source = _find(weight, form, mirror)
    if source is None:
        return replace(Checkpoint.load(path), origin=weight.repository or f"{weight.model}:{weight.tag}")
    found = read_upstream(path)
    _compare(found, path, source)
    found = replace(found, tag=weight.tag, origin=f"{weight.model}:{weight.tag}")
    return replace(found, labels=weight.labels, preprocessing=weight.preprocessing)


def weight_file(weight: Weight, name: str, mirror: Path | None = None) -> Path:
    """Return the path of one of a record's files, its sha256 checked; see `load_weight` for where it is looked for.

    Raises:
        ValueError: the file is damaged.
        FileNotFoundError: the file is not on this machine, and was never published or must not be fetched.
        RuntimeError: it could not be downloaded.
    """
    return _find(weight, name, mirror)[0]


def _find(weight: Weight, name: str, mirror: Path | None) -> tuple[Path, Source | None]:
    """Return the path of a record's file, and which of its sources it came from if it is other people's."""
    file, named = weight.files[name], f"{weight.model}:{weight.tag}"
    if mirror is not None:
        return _mirrored(weight, file, mirror)
    if weight.folder is None:
        return obtain(file.sources, named)
    path = weight.folder / file.path
    if path.is_file():
        return _checked(path, file), None
    if weight.repository is not None:
        return fetch(weight.repository, file.path, revision=weight.revision, digest=file.sha256), None
    if urls := addresses(weight.folder.parents[1], f"{weight.model}/{weight.tag}/{file.path}"):
        cached = f"{weight.model}-{weight.tag}-{name}-{file.sha256[:8]}{path.suffix}"
        return download(urls, cached, file.sha256, file.size), None
    raise FileNotFoundError(
        f"{path} is not here: an installed package or an archive of the code carries no weights, and {named} is not "
        "published on the Hub yet; load it through torch.hub, or from a clone of the repository, which holds it in "
        "checkpoints/"
    )


def _mirrored(weight: Weight, file: WeightFile, mirror: Path) -> tuple[Path, Source | None]:
    """Return the file in a mirror's folder, and its source if it is other people's."""
    below = (
        Path(weight.model, weight.tag),
        Path(weight.repository or "."),
        Path(f"{weight.model}-{weight.tag}"),
        Path(),
    )
    if not mirror.is_dir():
        raise FileNotFoundError(f"there is no folder {mirror} to take {weight.model}:{weight.tag} from")
    folders = [mirror / folder for folder in dict.fromkeys(below)]
    for folder in folders:
        if file.sources and (found := find(file.sources, folder)):
            return found
        if not file.sources and (folder / file.path).is_file():
            return _checked(folder / file.path, file), None
    names = [name for source in file.sources for name in source.names] or [file.path]
    looked = ", ".join(str(folder / name) for folder in folders for name in names)
    raise FileNotFoundError(f"{mirror} has no weights of {weight.model}:{weight.tag}; looked for {looked}")


def _checked(path: Path, file: WeightFile) -> Path:
    if not file.matches(path):
        raise ValueError(
            f"{path} is damaged: its sha256 is {sha256(path)}, the registry says {file.sha256}; fetch it again"
        )
    return path


def _compare(found: Checkpoint, path: Path, source: Source) -> None:
    """Compare tensors with those that came from this source before; remember them if these are the first.

    For some files only a few digits of their hash are known, which a forger can meet.

    Raises:
        ValueError: they differ.
    """
    digest = state_digest(found.state)
    note = cache() / f"{source.name}.tensors.sha256"
    if not note.exists():
        with suppress(OSError), replace_file(note) as temporary:  # a cache may be read-only
            temporary.write_text(f"{digest}\n", encoding="ascii")
        return
    before = note.read_text(encoding="utf-8", errors="replace").strip().lower() if note.is_file() else ""
    if not re.fullmatch("[0-9a-f]{64}", before):
        raise ValueError(
            f"{note} is damaged: it should hold the sha256 of the tensors that were first loaded from {source.name}. "
            "Remove it, and those that are loaded next are remembered"
        )
    if before != digest:
        raise ValueError(
            f"{path} holds other tensors than the file of this name that was loaded first: their sha256 is "
            f"{digest}, not {before}. Do not use it; if you know that the first was wrong, remove {note}"
        )
