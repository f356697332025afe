"""What one client of the Hub does, step by step; prints the outcome of each as JSON.

Run by `matrix.py` under any Python that has huggingface_hub, with PYTHONPATH on the repository; PyTorch is not needed.
With NO_LINKS in the environment the system makes no links, as Windows does for most users.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def no_links(*_: object, **__: object) -> None:
    raise OSError("no links here")


if "NO_LINKS" in os.environ:
    os.symlink = no_links

from huggingface_hub import constants  # noqa: E402

from export.hub.push import push  # noqa: E402
from zoo.weights.hub import fetch  # noqa: E402

FILES = {
    "README.md": b"---\nlicense: mit\n---\n",
    "SHA256SUMS": b"",
    "config.json": b"{}",
    "model.safetensors": os.urandom(200_000),
}
LARGE, SMALL = "model.safetensors", "config.json"


def upload(repository: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in FILES.items():
            Path(folder, name).write_bytes(content)
        return push(Path(folder), repository).created


def download(repository: str) -> bool:
    return all(fetch(repository, name).read_bytes() == FILES[name] for name in (LARGE, SMALL))


def proposed(repository: str) -> bool:
    """Open a pull request with a token that may do no more."""
    token, os.environ["HF_TOKEN"] = os.environ["HF_TOKEN"], "hf_pull"
    changed = FILES | {LARGE: FILES[LARGE][::-1], SMALL: b"{} "}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in changed.items():
                Path(folder, name).write_bytes(content)
            opened = push(Path(folder), repository, pull_request=True).commit
    finally:
        os.environ["HF_TOKEN"] = token
    there = all(fetch(repository, name, revision=opened).read_bytes() == changed[name] for name in (LARGE, SMALL))
    return there and download(repository)


def damage(repository: str) -> None:
    for name in (LARGE, SMALL):
        file = fetch(repository, name).resolve()
        content = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def mended(repository: str) -> bool:
    damage(repository)
    return download(repository)


def offline(repository: str) -> bool:
    constants.HF_HUB_OFFLINE = True
    return download(repository)


def detected(repository: str) -> bool:
    damage(repository)
    return refused(repository, LARGE) and refused(repository, SMALL)


def refused(repository: str, name: str) -> bool:
    try:
        fetch(repository, name)
    except ValueError as error:
        return "is damaged: its " in str(error)
    return False


STEPS: dict[str, Callable[[str], bool]] = {
    "upload": upload,
    "download": download,
    "from the cache": download,
    "damaged, mended": mended,
    "pull request": proposed,
    "offline": offline,
    "damaged, told offline": detected,
}


def main() -> None:
    outcomes = {}
    for name, step in STEPS.items():
        try:
            outcomes[name] = "ok" if step(sys.argv[1]) else "wrong"
        except Exception as error:  # noqa: PERF203
            outcomes[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main()
