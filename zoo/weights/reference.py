"""What MODEL means: the one place that reads the string, before anything is opened, fetched or built.

Imports neither PyTorch nor huggingface_hub: inference from ONNX files uses it too.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from zoo.layout import CONFIG, GRAPH, RUN, WEIGHTS

SCHEMES = ("hf-hub:", "hf:")
"""Prefixes of ORG/NAME that select the Hub, whatever exists on this machine."""
SUFFIXES = (".bin", ".ckpt", ".hkl", ".json", ".onnx", ".pkl", ".pt", ".pth", ".safetensors")
"""Suffixes of files. Names of repositories may contain dots too, as in `me/net-v1.5`."""

_log = logging.getLogger("zoo")


@dataclass(frozen=True)
class Named:
    """A net of the registry, untrained. Only the registry knows whether it exists."""

    name: str


@dataclass(frozen=True)
class Tagged:
    """Weights of the registry, `NAME:TAG`. Only the registry knows whether they exist."""

    name: str
    tag: str


@dataclass(frozen=True)
class File:
    """A file on this machine: a checkpoint or an ONNX graph."""

    path: Path


@dataclass(frozen=True)
class Folder:
    """A folder on this machine: a bundle, or what `DiracNet.save_pretrained` wrote."""

    path: Path


@dataclass(frozen=True)
class Hub:
    """A repository of the Hugging Face Hub, `ORG/NAME`, and a branch, tag or commit of it."""

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Hub | None:
        """Return what `ORG/NAME` or `ORG/NAME@REVISION` means, without looking at this machine's files; else None."""
        match = _REPOSITORY.fullmatch(text)
        return cls(match["id"], match["revision"]) if match else None


Reference: TypeAlias = Named | Tagged | File | Folder | Hub

_REPOSITORY = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?", re.ASCII)


def parse_reference(reference: str | os.PathLike[str]) -> Reference:
    """Return what a reference means; the first of these rules that applies decides.

    1. `hf-hub:ORG/NAME` and `hf-hub:ORG/NAME@REVISION` are a repository of the Hub.
    2. What exists on this machine is meant: a file, a bundle's folder, or a training run's folder, which stands for the
       weights in it. If the text could name a repository as well, the log says so once.
    3. What reads like a path must exist: a `Path`, and a text with two slashes, `./`, `../`, `~` or the suffix of a
       file, below a folder that exists, or one letter away from something that exists.
    4. `ORG/NAME` and `ORG/NAME@REVISION` are a repository of the Hub.
    5. `NAME:TAG` and `NAME` are the registry's.

    Args:
        reference: a text, or a path, which is never taken for anything else.

    Raises:
        FileNotFoundError: it reads like a path, and nothing is there.
        ValueError: it is empty, or no repository follows the scheme.

    Example:
        >>> parse_reference("hf-hub:me/net@v1")
        Hub(repository='me/net', revision='v1')
        >>> parse_reference("diracnet16_cifar:cifar10")
        Tagged(name='diracnet16_cifar', tag='cifar10')
    """
    text = os.fspath(reference)
    if not text:
        raise ValueError("the reference is empty; name a net, a file, a folder or ORG/NAME")
    must_exist = not isinstance(reference, str)
    hub = None if must_exist else Hub.parse(text)
    scheme = next((scheme for scheme in SCHEMES if text.startswith(scheme)), None)
    if scheme and not must_exist:
        if (hub := Hub.parse(text.removeprefix(scheme))) is None:
            raise ValueError(f"{text!r} names no repository: after {scheme} comes ORG/NAME or ORG/NAME@REVISION")
        return hub
    path = Path(text).expanduser()
    must_exist = must_exist or _reads_like_a_path(text, hub)
    if path.is_file() or (path.is_dir() and (must_exist or _holds_a_net(path))):
        if hub:
            _tell(text)
        return File(path) if path.is_file() else _opened(path)
    nearest = _nearest(path) if must_exist or hub else None
    if must_exist or nearest:
        hint = f"; the nearest is {nearest}" if nearest else ""
        hint += f"; if a repository of the Hub is meant, write {SCHEMES[0]}{text}" if hub else ""
        raise FileNotFoundError(f"no such file or folder: {text}{hint}")
    if hub:
        return hub
    name, colon, tag = text.partition(":")
    return Tagged(name, tag) if colon else Named(name)


def _reads_like_a_path(text: str, hub: Hub | None) -> bool:
    if hub is None:
        return "/" in text or os.sep in text or text.startswith(("~", ".")) or text.endswith(SUFFIXES)
    return text.endswith(SUFFIXES) or Path(hub.repository).parent.exists()


def _holds_a_net(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (CONFIG, GRAPH, RUN))


def _opened(folder: Path) -> File | Folder:
    """Return the folder, or the weights in it if it belongs to a training run."""
    if (folder / CONFIG).is_file() or not (folder / RUN).is_file():
        return Folder(folder)
    if not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(
            f"the training run in {folder} has no {WEIGHTS} yet: it is not finished; the command line that started it "
            "continues it"
        )
    return File(folder / WEIGHTS)


@cache  # says it once
def _tell(text: str) -> None:
    _log.warning(
        "note: %s is taken from this machine; the repository of that name on the Hub is %s%s", text, SCHEMES[0], text
    )


def _nearest(path: Path) -> Path | None:
    """Return an existing path that differs from this one only by a typing error; None if there is none."""
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        step = found / part
        if not step.exists():
            names: list[str] = []
            with suppress(OSError):
                names = [each.name for each in found.iterdir()]
            close = difflib.get_close_matches(part, names, n=1, cutoff=0.8)
            if not close:
                return None
            step = found / close[0]
        found = step
    return found
