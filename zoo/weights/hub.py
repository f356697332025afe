"""Repositories of the Hugging Face Hub: fetching one file into the local cache, and errors that say what to do.

Imports neither PyTorch nor anything else that is heavy: inference from ONNX uses it too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_token, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from zoo.files import sha256

_REFERENCE = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?", re.ASCII)


class HubError(RuntimeError):
    """The Hub did not do what it was asked for; the message says why and what to do. It never holds the token."""


def parse_reference(text: str) -> tuple[str, str | None] | None:
    """Return repository and revision of `ORG/NAME` or `ORG/NAME@REVISION`; None where the text is neither."""
    match = _REFERENCE.fullmatch(text)
    return (match["id"], match["revision"]) if match else None


def fetch(repository: str, path: str, *, revision: str | None = None, digest: str | None = None, **client: Any) -> Path:
    """Return a repository's file from the local cache, downloading it where it is absent or damaged.

    The cache is huggingface_hub's own (HF_HOME, HF_HUB_CACHE), the host is HF_ENDPOINT's, and with HF_HUB_OFFLINE
    nothing is asked of any. The bytes are hashed at every call, because a download of the right size is accepted by the
    client whatever it holds. A file that fails is fetched once more.

    Args:
        repository: `ORG/NAME`.
        path: of the file in the repository.
        revision: a branch, tag or commit; by default the branch main.
        digest: the sha256 that the file must have. By default the one under which the Hub keeps it; it has one for each
            large file (weights and graphs), and it is lost where the cache cannot hold links.
        client: further arguments of `huggingface_hub.hf_hub_download`.

    Raises:
        FileNotFoundError: the repository has no such file, or it is not in the cache and the Hub must not be asked.
        HubError: the Hub cannot be reached, refuses, or has no such repository.
        ValueError: the file is not what it should be, fetched twice; or the path leads out of the repository.
    """
    if not path or any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path:
        raise ValueError(f"path={path!r} is no path of a file below a repository's root")
    for again in (client.pop("force_download", False), True):
        with plain_errors(repository, f"cannot fetch {path} of the repository {repository}"):
            local = Path(hf_hub_download(repository, path, revision=revision, force_download=again, **client))
        expected = digest or _kept_under(local)
        found = sha256(local)
        if expected is None or found == expected:
            return local
        if constants.HF_HUB_OFFLINE:
            raise ValueError(
                f"{local} is damaged: its sha256 is {found}, not {expected}; HF_HUB_OFFLINE forbids fetching it anew"
            )
    raise ValueError(
        f"{path} of {repository} at {revision or 'main'} was fetched twice and has the sha256 {found}, not {expected}: "
        "do not use it; tell the people of that repository, or of the mirror in HF_ENDPOINT"
    )


def _kept_under(local: Path) -> str | None:
    """Return the sha256 that is the name of the file behind a link of the cache, if it is one."""
    name = local.resolve().name
    return name if re.fullmatch(r"[0-9a-f]{64}", name) else None


@contextmanager
def plain_errors(repository: str, what: str) -> Iterator[None]:
    """Turn what huggingface_hub raises within the block into FileNotFoundError or HubError of one line.

    Those are raised without their cause: messages, headers and local variables of the client may hold the token.
    """
    try:
        yield
    except Exception as error:
        cause = root(error)
        if isinstance(cause, EntryNotFoundError) and not isinstance(cause, LocalEntryNotFoundError):
            raise FileNotFoundError(f"{what}: the repository has no such file") from None
        if (reason := explain(cause, repository)) is None:
            if str(error) == without_token(str(error)):
                raise
            reason = str(error)
        kind = FileNotFoundError if isinstance(cause, LocalEntryNotFoundError | OfflineModeIsEnabled) else HubError
        raise kind(without_token(f"{what}: {reason}")) from None


def root(error: BaseException) -> BaseException:
    """Return the failed request behind an error; huggingface_hub wraps some in RuntimeError or ValueError."""
    cause = error.__cause__
    wraps = isinstance(error, RuntimeError | ValueError | LocalEntryNotFoundError)
    return root(cause) if wraps and cause is not None and explain(cause, "") else error


def explain(error: BaseException, repository: str) -> str | None:
    """Return why a request to the Hub failed and what to do; None for errors of another kind."""
    status = status_of(error)
    match error:
        case OfflineModeIsEnabled():
            return "the local cache does not have it, and HF_HUB_OFFLINE forbids asking the Hub; unset it"
        case LocalEntryNotFoundError():
            return f"the local cache does not have it, and {constants.ENDPOINT} cannot be reached"
        case GatedRepoError():
            return f"{repository} is gated: ask for access on its page, and log in with `hf auth login`"
        case RevisionNotFoundError():
            return f"{repository} has no such branch, tag or commit"
        case RepositoryNotFoundError():
            return (
                f"there is no {repository}, or it is private and the token in use may not see it; log in with "
                "`hf auth login`, or set HF_TOKEN"
            )
        case HfHubHTTPError() if status == 401:
            return "the Hub does not know this token (401); log in with `hf auth login`, or set HF_TOKEN"
        case HfHubHTTPError() if status == 403:
            return f"the token may not do that to {repository} (403); use one with the right to write there"
        case HfHubHTTPError() if status == 412:
            return f"somebody else changed {repository} meanwhile (412); look at it, then call again"
        case HfHubHTTPError() if is_transient(error):
            return f"the Hub is overloaded or broken ({status}); call again later"
        case HfHubHTTPError():
            return f"the Hub refused ({status}): {error.server_message or 'without saying why'}"
        case json.JSONDecodeError():
            return f"{constants.ENDPOINT} sent an answer that is none of the Hub's"
        case _ if is_transient(error):
            return f"no connection to {constants.ENDPOINT}, or it broke ({type(error).__name__})"
    return None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of an answer that was an error; None where there was no answer."""
    response = getattr(error, "response", None)
    return None if response is None else int(response.status_code)


def is_transient(error: BaseException) -> bool:
    """Tell whether the same request may succeed later: an overloaded or broken server, or a broken connection."""
    if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
        return False
    status = status_of(error)
    if status is not None:
        return status in (408, 429) or status >= 500
    if isinstance(error, json.JSONDecodeError):  # the error page of a gateway
        return True
    # The client's HTTP library has changed its name more than once; the base class of its errors has not.
    return "TransportError" in {kind.__name__ for kind in type(error).__mro__} or isinstance(error, ConnectionError)


def without_token(text: str) -> str:
    """Return a text with the user's token, which a server may repeat in its answers, struck out."""
    token = get_token()
    return text.replace(token, "[token]") if token else text
