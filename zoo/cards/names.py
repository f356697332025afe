"""Which names the Hub takes for repositories: it refuses a card that has others where it expects one."""

from __future__ import annotations

import re
from pathlib import PurePath

ANYWHERE = "ORG/NAME"
"""Stands for the repository in the cards of weights that have none."""
PLACEHOLDER = f"`{ANYWHERE}` stands for the repository on the Hub, or for the folder with these files.\n"

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_REPOSITORY = re.compile(rf"(?P<id>{_NAME}/{_NAME})(@.+)?")


def repository_name(text: str) -> str | None:
    """Return the `ORG/NAME` in `ORG/NAME` or `ORG/NAME@REVISION`; None if the text is no repository's name.

    A card's `base_model` and `datasets` may be nothing else: not a path, `NAME:TAG` or words.

    Example:
        >>> repository_name("me/net@v1"), repository_name("diracnet16_cifar:cifar10"), repository_name("runs/a.pth")
        ('me/net', None, None)
    """
    match = _REPOSITORY.fullmatch(text)
    if match is None or re.search(r"--|\.\.|\.(git|bin|ckpt|onnx|pt|pth|safetensors)$", match["id"]):
        return None
    return match["id"] if len(match["id"]) <= 96 else None


def short_name(net: str) -> str:
    """Return a net's name as cards give it: of a path only the last part, because the folders are nobody's business.

    Example:
        >>> short_name("diracnet16_cifar:cifar10"), short_name("me/net@v1"), short_name("/home/me/net.safetensors")
        ('diracnet16_cifar:cifar10', 'me/net@v1', 'net.safetensors')
    """
    return net if repository_name(net) or "/" not in net.replace("\\", "/") else PurePath(net.replace("\\", "/")).name
