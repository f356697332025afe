"""From a record of weights to a verified file: in the clone's `checkpoints/`, or fetched into a cache."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import torch

from zoo.checkpoint import FORMS, Checkpoint
from zoo.files import sha256
from zoo.upstream import read_upstream
from zoo.weights import Weight, WeightFile


def load_weight(weight: Weight, form: str) -> Checkpoint:
    """Return the checkpoint of a record in one form, its file's sha256 checked.

    Raises:
        ValueError: the record has no file in this form, or the file is damaged.
        FileNotFoundError: the file is not on this machine and was never published.
        RuntimeError: it could not be downloaded.
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
    if weight.folder is None:
        found = read_upstream(_download(weight.files[form]))
        return replace(found, weights=weight.tag, labels=weight.labels, preprocessing=weight.preprocessing)
    return Checkpoint.load(weight_file(weight, form))


def weight_file(weight: Weight, name: str) -> Path:
    """Return the path of one of the files of a record that lies in a folder, its sha256 checked.

    Raises:
        ValueError: the file is damaged.
        FileNotFoundError: the file is not on this machine.
    """
    file = weight.files[name]
    path = (weight.folder or Path()) / file.path
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not here: an installed package carries no weights, and {weight.model}:{weight.tag} is not "
            "published on the Hub yet; load it from a clone of the repository, which holds it in checkpoints/"
        )
    if not file.matches(path):
        raise ValueError(
            f"{path} is damaged: its sha256 is {sha256(path)}, the registry says {file.sha256}; fetch it anew"
        )
    return path


def _download(file: WeightFile) -> Path:
    """Return the file behind a URL from PyTorch's cache, downloading it where it is absent or damaged."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / file.path.rsplit("/", 1)[1]
    if path.is_file() and file.matches(path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Writes to a temporary file, compares the hash and renames.
        torch.hub.download_url_to_file(file.path, str(path), file.sha256, progress=sys.stderr.isatty())
    except RuntimeError as error:
        raise RuntimeError(f"what {file.path} sends is not the file of the registry: {error}") from error
    except (URLError, OSError) as error:
        raise RuntimeError(
            f"cannot fetch {file.path}: {error}. It is the authors' own address of 2018 and may be gone; if you have "
            "the file, give it to zoo.load_upstream"
        ) from error
    return path
