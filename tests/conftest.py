"""What several tests share."""

import os

# Two threads at most: the suite is meant to run beside other work, and repeatably.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["HF_HUB_DISABLE_XET"] = "1"  # the test server keeps large files as LFS only

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def randomised() -> Callable[[nn.Module], nn.Module]:
    """Draws alpha, beta, biases and BatchNorm's statistics at random (gammas of both signs), in place.

    Freshly initialised nets hide errors: their gammas are one, their means zero.
    """

    def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.is_floating_point() or tensor.ndim > 1:
                continue
            drawn = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.5
            if not name.endswith("running_var"):
                signs = torch.randint(0, 2, tensor.shape, generator=generator) * 2 - 1
                drawn = drawn * signs
            with torch.no_grad():
                tensor.copy_(drawn)
        return model.eval()

    return randomise


TOKEN = "hf_write_" + "S3cr3t" * 5


class HubServer:
    """The process of `tests/hub_server.py`, and what tests tell and ask it beside the Hub's protocol."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, path: str, value: object = None) -> Any:
        method, data = ("GET", None) if value is None else ("PUT", json.dumps(value).encode())
        request = urllib.request.Request(f"{self.url}/{path}", data, method=method)  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)

    def fail(self, *faults: dict) -> None:
        """Let requests fail: {endpoint, kind, after, times, retry_after}, see `tests/hub_server.py`."""
        self.call("_faults", list(faults))

    def plant(self, repository: str, files: dict[str, bytes], **more: object) -> str:
        """Put files into a repository, whatever their names and contents; return the commit."""
        contents = {path: base64.b64encode(content).decode() for path, content in files.items()}
        return self.call("_plant", {"id": repository, "files": contents, **more})["commit"]

    def state(self, repository: str) -> dict | None:
        return self.call("_state")["repositories"].get(repository)

    @property
    def asked(self) -> dict[str, int]:
        """How often each endpoint was asked since faults were last set."""
        return self.call("_state")["asked"]

    def environment(self, home: Path, token: str | None = TOKEN) -> dict[str, str]:
        """The environment of a process that uses this server, with a cache of its own below `home`."""
        named = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        own = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}
        return {**named, **own, **({"HF_TOKEN": token} if token else {})}


@pytest.fixture(scope="session")
def hub_server() -> Iterator[HubServer]:
    command = [sys.executable, ROOT / "tests" / "hub_server.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield HubServer(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.stdin.close()


@pytest.fixture
def hub(hub_server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The server without faults, and huggingface_hub in this process turned to it with an empty cache."""
    constants = huggingface_hub.constants
    template = hub_server.url + "/{repo_id}/resolve/{revision}/{filename}"
    for name, value in {
        "ENDPOINT": hub_server.url,
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HUGGINGFACE_CO_URL_TEMPLATE": template,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", hub_server.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub_server.fail()
    yield hub_server
    hub_server.fail()
