"""Repositories of the Hugging Face Hub: fetching one file into the local cache, and errors that say what to do.

Imports neither PyTorch nor anything else that is heavy: inference from ONNX uses it too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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

from zoo.weights.etag import Version, ask, recall, remember

MAIN = "main"


class HubError(RuntimeError):
    """The Hub did not do what was asked; the message says why and what to do. It never holds the token."""


class MissingFileError(FileNotFoundError):
    """A repository exists, but has no such file."""


def fetch(repository: str, path: str, *, revision: str | None = None, digest: str | None = None, **client: Any) -> Path:
    """Return a repository's file from the local cache, downloading it if it is absent or damaged.

    See `fetch_version`, which also returns its commit.

    Example:
        >>> config = fetch("me/diracnet16-cifar10", "config.json", revision="v1")  # doctest: +SKIP
    """
    return fetch_version(repository, path, revision=revision, digest=digest, **client)[0]


def fetch_version(
    repository: str, path: str, *, revision: str | None = None, digest: str | None = None, **client: Any
) -> tuple[Path, str | None]:
    """Return a repository's file from the local cache, and the commit that it belongs to.

    The cache is huggingface_hub's own (HF_HOME, HF_HUB_CACHE), the host is HF_ENDPOINT's, and with HF_HUB_OFFLINE no
    host is contacted. The bytes are hashed at every call, because the client accepts any download of the right size. A
    file that fails is fetched once more.

    Args:
        repository: `ORG/NAME`.
        path: the file's path in the repository.
        revision: a branch, tag or commit; by default the branch main.
        digest: the sha256 that the file must have. By default its hash is compared with what the Hub says or, without a
            connection, said before; nothing is known about a file that other programs put into the cache.
        client: further arguments of `huggingface_hub.hf_hub_download`, such as `repo_type="space"`.

    Returns:
        The path, and the commit. If the Hub was not asked, the revision takes the place of the commit.

    Raises:
        FileNotFoundError: the repository has no such file, or it is not in the cache and the Hub must not be contacted.
        HubError: the Hub cannot be reached, refuses, or has no such repository.
        ValueError: the file is not what it should be even when fetched again; or the path leads out of the repository.
    """
    if not path or any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path:
        raise ValueError(f"path={path!r} is not the path of a file below a repository's root")
    offline = constants.HF_HUB_OFFLINE or client.get("local_files_only", False)
    kind = client.get("repo_type")
    again = client.pop("force_download", False)
    while True:
        here = "" if Path(repository).exists() else f"; there is no folder {repository} here either"
        with plain_errors(repository, f"cannot fetch {path} of the repository {repository}", here, client.get("token")):
            said = None if digest or offline else _ask(repository, path, revision, client, again)
            known = said or (None if digest else recall(repository, path, revision, kind))
            local = None
            if known and not said and not again:
                local = _cached(repository, path, known.commit, client)
                known = known if local else None  # another program may have cached another commit
            if local is None:
                local = Path(hf_hub_download(repository, path, revision=revision, force_download=again, **client))
        expected = Version(revision or MAIN, digest) if digest else known
        if expected is None:
            return local, revision
        found = expected.digest(local)
        if found == expected.etag:
            if said:
                remember(repository, path, revision, said, kind)
            return local, expected.commit
        if offline:
            raise ValueError(
                f"{local} is damaged: its {expected.kind} is {found}, not {expected.etag}; "
                f"{'HF_HUB_OFFLINE' if constants.HF_HUB_OFFLINE else 'local_files_only'} forbids fetching it again"
            )
        if again:
            raise ValueError(
                f"{path} of {repository} at {revision or MAIN} was fetched twice and has the {expected.kind} {found}, "
                f"not {expected.etag}: do not use it; tell the people of that repository, or of the mirror in "
                "HF_ENDPOINT"
            )
        again = True
        if not local.is_symlink():  # in a cache without links force_download leaves the file as it is
            local.unlink(missing_ok=True)


def _ask(repository: str, path: str, revision: str | None, client: Mapping[str, Any], again: bool) -> Version | None:
    """Return what the Hub says about a file; for a commit, which never changes, a remembered answer does at first."""
    known = recall(repository, path, revision, client.get("repo_type"))
    if known and known.commit == revision and not again:
        return known
    try:
        return ask(repository, path, revision, *(client.get(name) for name in ("repo_type", "token", "endpoint")))
    except LocalEntryNotFoundError:  # no connection
        return None
    except (EntryNotFoundError, RevisionNotFoundError):  # the Hub knows that it is gone, whatever the cache holds
        raise
    except Exception:  # the download meets the same error, but may still find the file in the cache
        return None


def _cached(repository: str, path: str, commit: str, client: Mapping[str, Any]) -> Path | None:
    """Return a file from the cache; None if it is not there."""
    try:
        return Path(hf_hub_download(repository, path, revision=commit, **{**client, "local_files_only": True}))
    except LocalEntryNotFoundError:
        return None


@contextmanager
def plain_errors(repository: str, what: str, here: str = "", token: str | bool | None = None) -> Iterator[None]:
    """Turn what huggingface_hub raises within the block into FileNotFoundError or HubError of one line.

    `here` ends the line where the Hub does not know the repository or was not asked: perhaps a folder was meant.
    `token` is the one in use, if it is not the user's own.

    Those are raised without their cause: messages, headers and local variables of the client may hold the token.
    """
    try:
        yield
    except Exception as error:
        cause = root(error)
        if isinstance(cause, EntryNotFoundError) and not isinstance(cause, LocalEntryNotFoundError):
            raise MissingFileError(f"{what}: the repository has no such file") from None
        if (reason := explain(cause, repository)) is None:
            if str(error) == without_token(str(error), token):
                raise
            reason = str(error)
        if isinstance(cause, RepositoryNotFoundError | LocalEntryNotFoundError | OfflineModeIsEnabled) or (
            is_transient(cause) and status_of(cause) is None
        ):
            reason += here
        kind = FileNotFoundError if isinstance(cause, LocalEntryNotFoundError | OfflineModeIsEnabled) else HubError
        raise kind(without_token(f"{what}: {reason}", token)) from None


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
            return (
                f"the token may not do that to {repository} (403); use one with the right to write there, or open a "
                "pull request (`diracnet publish --pull-request`)"
            )
        case HfHubHTTPError() if status == 412:
            return f"somebody else changed {repository} meanwhile (412); look at it, then call again"
        case HfHubHTTPError() if is_transient(error):
            return f"the Hub is overloaded or broken ({status}); call again later"
        case HfHubHTTPError():
            return f"the Hub refused ({status}): {error.server_message or 'without saying why'}"
        case json.JSONDecodeError():
            return f"{constants.ENDPOINT} sent an answer that is not the Hub's"
        case ImportError() if "socks" in str(error):
            return "the proxy that ALL_PROXY or HTTPS_PROXY names is a SOCKS proxy, which takes `pip install socksio`"
        case ConnectionError():  # from the client's Xet library; those of its HTTP library have another base class
            return (
                f"the Xet storage of {constants.ENDPOINT} does not work ({error}); set HF_HUB_DISABLE_XET=1 to do "
                "without it"
            )
        case _ if is_transient(error):
            return f"no connection to {constants.ENDPOINT}, or it broke ({type(error).__name__})"
    return None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of an error response; None if there was no response."""
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
    if isinstance(error, ConnectionError):  # from the Xet library, which reports every refusal as one
        return "status client error" not in str(error)
    # The client's HTTP library has changed its name more than once; the base class of its errors has not.
    return "TransportError" in {kind.__name__ for kind in type(error).__mro__}


def without_token(text: str, given: str | bool | None = None) -> str:
    """Return a text with the user's token and a given one, which a server may repeat in its answers, struck out."""
    for token in (given, get_token()):
        if isinstance(token, str) and token:
            text = text.replace(token, "[token]")
    return text
