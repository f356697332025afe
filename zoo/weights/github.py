"""Files of the repository that GitHub's archive leaves out: fetched from GitHub at the commit of the archive.

torch.hub fetches an archive of a branch or tag and unpacks it as `OWNER_REPO_REF`. `.gitattributes` keeps the weights
out of archives, so that nobody fetches those of all nets for the sake of one, and has Git write the commit into
`checkpoints/COMMIT`. Both together are the address of each file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from huggingface_hub import constants

from zoo.files import replace_file, sha256
from zoo.revision import COMMIT, Revision
from zoo.weights.fetching import cache, receive, storing


def commit(checkpoints: Path) -> str | None:
    """Return the commit of the archive that a folder of checkpoints came with; None in a clone and in a wheel."""
    return Revision.read(checkpoints / COMMIT).commit


_HERE = Path(__file__).resolve().parent.parent.parent / "checkpoints"
_IMPORTED = commit(_HERE)


def is_stale() -> bool:
    """Tell whether the code on disk is of another commit than the code that this process has imported."""
    return commit(_HERE) != _IMPORTED


def addresses(checkpoints: Path, path: str) -> list[str]:
    """Return where GitHub may have a file of `checkpoints/`; nothing outside a folder that torch.hub made.

    An owner has no underscore in its name, but repositories and branches may, so there can be several addresses. They
    are of one owner and one commit.

    Example:
        >>> addresses(Path("hub/me_diracnet-zoo_main/checkpoints"), "diracnet16_cifar/cifar10/model.safetensors")
        []
    """
    version = commit(checkpoints)
    owner, *rest = checkpoints.resolve().parent.name.split("_")
    if version is None or not re.fullmatch(r"[A-Za-z0-9-]+", owner):
        return []
    repositories = ["_".join(rest[:count]) for count in range(1, len(rest))]
    return [
        f"https://raw.githubusercontent.com/{owner}/{repository}/{version}/checkpoints/{path}"
        for repository in repositories
        if re.fullmatch(r"[A-Za-z0-9._-]+", repository)
    ]


def download(urls: Sequence[str], name: str, digest: str, size: int | None = None) -> Path:
    """Return a file from PyTorch's cache, downloading it from the first address that has it if absent or damaged.

    Args:
        urls: the addresses, of which there must be one at least.
        name: the file's name in the cache.
        digest: the file's sha256.
        size: its bytes if they are known, more than which no server can send.

    Raises:
        FileNotFoundError: it is not in the cache, and HF_HUB_OFFLINE forbids fetching it.
        RuntimeError: it could not be fetched, or is another file.
    """
    path = cache() / name
    if path.is_file() and sha256(path) == digest:
        return path
    if constants.HF_HUB_OFFLINE:
        raise FileNotFoundError(f"{path} is not here, and HF_HUB_OFFLINE forbids fetching {urls[0]}; unset it")
    for url in urls:
        try:
            with storing(path.parent, name), replace_file(path) as temporary:
                with temporary.open("wb") as written:
                    receive(url, written, name, size)
                if (found := sha256(temporary)) != digest:
                    raise ValueError(f"its sha256 is {found}, not {digest}")
            break
        except HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND and url != urls[-1]:
                continue
            raise RuntimeError(f"cannot fetch {url}: {_reason(error)}") from error
        except ValueError as error:
            raise RuntimeError(
                f"what {url} sends is not the file of the registry, or came in part: {error}; try again"
            ) from error
        except (HTTPException, OSError) as error:
            raise RuntimeError(f"cannot fetch {url}: {error}") from error
    return path


def _reason(error: HTTPError) -> str:
    if error.code in (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
        return f"{error}: the server limits how much one address may ask; wait a while, then call again"
    return str(error)
