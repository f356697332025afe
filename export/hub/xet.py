"""Xet, the storage to which huggingface_hub sends large files without checking that a Hub has it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, constants
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status  # type: ignore[attr-defined]

from zoo.weights.hub import status_of

_NO_SUCH_ROUTE = (404, 405, 501)


def uses_xet() -> bool:
    """Tell whether huggingface_hub would send files through Xet."""
    return not constants.HF_HUB_DISABLE_XET and find_spec("hf_xet") is not None


def has_xet(endpoint: str, repository: str, revision: str, pull_request: bool = False) -> bool:
    """Ask a Hub whether it has Xet storage for a branch of a repository, such as "models/me/net", or a pull request.

    Checked before the upload, because the client's Xet library neither reports a refusal clearly nor falls back.

    Raises what huggingface_hub raises if the Hub refuses or cannot be reached.
    """
    route = f"{endpoint}/api/{repository}/xet-write-token/{quote(revision, safe='')}"
    try:
        params = {"create_pr": "1"} if pull_request else None
        hf_raise_for_status(get_session().get(route, headers=build_hf_headers(), params=params))
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except HfHubHTTPError as error:
        if status_of(error) in _NO_SUCH_ROUTE:
            return False
        raise
    return True


def sources(files: list[Path], xet: bool, opened: ExitStack) -> list[Path | BinaryIO]:
    """Return files in the form that huggingface_hub needs: paths go through Xet, open files through LFS."""
    return list(files) if xet else [opened.enter_context(file.open("rb")) for file in files]


def rewind(operations: Sequence[CommitOperationAdd | CommitOperationDelete]) -> None:
    """Rewind opened files, because huggingface_hub leaves them wherever a failed attempt stopped."""
    for operation in operations:
        if isinstance(operation, CommitOperationAdd) and isinstance(operation.path_or_fileobj, io.BufferedIOBase):
            operation.path_or_fileobj.seek(0)
