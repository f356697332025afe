"""Finds and verifies the file of a record of weights: in the clone's `checkpoints/`, a cache, the Hub, or GitHub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from zoo.files import sha256
from zoo.layout import FORMS
from zoo.weights.checkpoint import Checkpoint
from zoo.weights.github import addresses, download
from zoo.weights.hub import fetch
from zoo.weights.record import Weight, WeightFile
from zoo.weights.upstream import read_upstream


def load_weight(weight: Weight, form: str, mirror: Path | None = None) -> Checkpoint:
    """Return the checkpoint of a record in one form, its file's sha256 checked at every call.

    The file is looked for in the clone's `checkpoints/`, then in the local cache, then on the Hub; for torch.hub, if it
    was never published there, in the commit on GitHub that its archive was made of; the original authors' files in
    PyTorch's cache and at their URL. Nothing but this one file is downloaded.

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
            f"{weight.model}:{weight.tag} has no file in {form} form whose sha256 is known, only in "
            f"{' and '.join(there)} form: pass folded={'folded' in there}. A file that you trust is read by "
            "zoo.load_upstream"
        )
    path = weight_file(weight, form, mirror)
    if weight.folder is None:
        found = read_upstream(path)
        return replace(found, tag=weight.tag, labels=weight.labels, preprocessing=weight.preprocessing)
    return Checkpoint.load(path)


def weight_file(weight: Weight, name: str, mirror: Path | None = None) -> Path:
    """Return the path of one of a record's files, its sha256 checked; see `load_weight` for where it is looked for.

    Raises:
        ValueError: the file is damaged.
        FileNotFoundError: the file is not on this machine, and was never published or must not be fetched.
        RuntimeError: it could not be downloaded.
    """
    file = weight.files[name]
    if mirror is not None:
        return _mirrored(weight, file, mirror)
    if weight.folder is None:
        return _download(file)
    path = weight.folder / file.path
    if path.is_file():
        return _checked(path, file)
    if weight.repository is not None:
        return fetch(weight.repository, file.path, revision=weight.revision, digest=file.sha256)
    if urls := addresses(weight.folder.parents[1], f"{weight.model}/{weight.tag}/{file.path}"):
        cached = f"{weight.model}-{weight.tag}-{name}-{file.sha256[:8]}{path.suffix}"
        return download(urls, cached, file.sha256)
    raise FileNotFoundError(
        f"{path} is not here: an installed package or an archive of the code carries no weights, and "
        f"{weight.model}:{weight.tag} is not published on the Hub yet; load it through torch.hub, or from a clone of "
        "the repository, which holds it in checkpoints/"
    )


def _mirrored(weight: Weight, file: WeightFile, mirror: Path) -> Path:
    """Return the file in a mirror's folder."""
    name = file.path.rsplit("/", 1)[1] if weight.folder is None else file.path
    below = [
        Path(weight.model, weight.tag),
        Path(weight.repository or "."),
        Path(f"{weight.model}-{weight.tag}"),
        Path(),
    ]
    candidates = [mirror / folder / name for folder in dict.fromkeys(below)]
    for path in candidates:
        if path.is_file():
            return _checked(path, file)
    raise FileNotFoundError(
        f"{mirror} has no weights of {weight.model}:{weight.tag}; looked for {', '.join(map(str, candidates))}"
    )


def _checked(path: Path, file: WeightFile) -> Path:
    if not file.matches(path):
        raise ValueError(
            f"{path} is damaged: its sha256 is {sha256(path)}, the registry says {file.sha256}; fetch it again"
        )
    return path


def _download(file: WeightFile) -> Path:
    """Return the original authors' file from PyTorch's cache or from its URL."""
    try:
        return download([file.path], file.path.rsplit("/", 1)[1], file.sha256)
    except RuntimeError as error:
        raise RuntimeError(
            f"{error}. It is the authors' own address of 2018 and may be gone; if you have the file, give it to "
            "zoo.load_upstream"
        ) from error
