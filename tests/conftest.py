"""What several tests share."""

import os
import struct
import zlib

# Two threads at most, of one process or of several: the suite is meant to run beside other work, and repeatably.
# Workers have inherited what their controller set; two with two threads each, which spin as they wait, are slow.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Give back the threads that a test sets, as commands do that are told a number."""
    before = torch.get_num_threads()
    yield
    if torch.get_num_threads() != before:
        torch.set_num_threads(before)


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


def _png16(values: np.ndarray) -> bytes:
    """Return a PNG of 16 bits a channel, which Pillow reads but writes in grey only; values are (h, w, channels)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = values.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def odd_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of files that programs stumble over: `good/` can be read, `bad/` cannot, `plain.png` is what they show."""
    folder = tmp_path_factory.mktemp("odd")
    good, bad = folder / "good", folder / "bad"
    good.mkdir()
    bad.mkdir()
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (18, 24, 4), dtype=np.uint8)
    plain = Image.fromarray(colours[:, :, :3])
    grey, rgba = plain.convert("L"), Image.fromarray(colours)
    plain.save(folder / "plain.png")

    # 257 * v has the high byte v.
    (good / "rgb16.png").write_bytes(_png16(np.asarray(plain).astype(np.uint16) * 257))
    (good / "rgba16.png").write_bytes(_png16(colours.astype(np.uint16) * 257))
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    for suffix in ("png", "tif"):
        deep.save(good / f"grey16.{suffix}")
    # Old versions of Pillow read this, but do not write it.
    (good / "grey16.pgm").write_bytes(b"P5 24 18 65535\n" + np.asarray(deep).astype(">u2").tobytes())
    unit = np.asarray(grey).astype(np.float32) / 255
    Image.fromarray(unit).save(good / "float-unit.tif")
    Image.fromarray(unit * 255).save(good / "float-255.tif")
    plain.convert("CMYK").save(good / "cmyk.tif")
    plain.convert("CMYK").save(good / "cmyk.jpg", quality=100, subsampling=0)
    palette = plain.quantize(16)
    palette.save(good / "palette.png")
    palette.save(good / "palette-transparent.png", transparency=3)
    grey.convert("1").save(good / "bits.png")
    rgba.save(good / "rgba.png")
    rgba.convert("LA").save(good / "la.png")
    plain.save(good / "colour-key.png", transparency=tuple(colours[5, 5, :3].tolist()))
    others = [Image.fromarray(random.integers(0, 256, (18, 24, 3), dtype=np.uint8)) for _ in range(2)]
    plain.save(good / "animated.png", save_all=True, append_images=others)
    palette.save(good / "animated.gif", save_all=True, append_images=others)
    plain.save(good / "animated.webp", save_all=True, append_images=others, lossless=True)
    plain.save(good / "pages.tif", save_all=True, append_images=others)
    exif = Image.Exif()
    for orientation, turn in ((3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90)):
        exif[0x0112] = orientation
        for suffix in ("png", "tif", "webp"):
            lossless = {"lossless": True} if suffix == "webp" else {}
            plain.transpose(turn).save(good / f"turned-{orientation}.{suffix}", exif=exif, **lossless)
    plain.save(good / "damaged-exif.png", exif=b"Exif\0\0no exif at all")
    plain.resize((1, 1)).save(good / "1x1.png")
    for size in ((20_000, 10), (10, 20_000)):
        plain.resize(size).save(good / f"{size[0]}x{size[1]}.png")
    plain.save(good / "a name with spaces, ü and [brackets].png")

    plain.save(bad / "truncated.jpg")
    whole = (bad / "truncated.jpg").read_bytes()
    (bad / "truncated.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (bad / "head.png").write_bytes((folder / "plain.png").read_bytes()[:9])
    (bad / "empty.jpg").write_bytes(b"")
    (bad / "text.jpg").write_text("no picture at all\n")
    bomb = bytearray(_png16(np.zeros((1, 1, 1), np.uint16)))
    bomb[16:24] = struct.pack(">II", 30_000, 30_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    (bad / "bomb.png").write_bytes(bomb)
    Image.fromarray(unit - 0.5).save(bad / "negative.tif")
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(bad / "nan.tif")
    Image.fromarray(np.asarray(grey).astype(np.int32) << 20).save(bad / "int32.tif")
    (bad / "folder.jpg").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(bad / "pipe.jpg")
    return folder


TOKEN = "hf_write_" + "S3cr3t" * 5


class HubServer:
    """The process of `tests/hub/server.py`, and what tests tell and ask it beside the Hub's protocol."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, path: str, value: object = None) -> Any:
        method, data = ("GET", None) if value is None else ("PUT", json.dumps(value).encode())
        request = urllib.request.Request(f"{self.url}/{path}", data, method=method)  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)

    def fail(self, *faults: dict) -> None:
        """Let requests fail: {endpoint, kind, after, times, retry_after}, see `tests/hub/server.py`."""
        self.call("_faults", list(faults))

    def plant(self, repository: str, files: dict[str, bytes], **more: object) -> str:
        """Put files into a repository, whatever their names and contents; return the commit."""
        contents = {path: base64.b64encode(content).decode() for path, content in files.items()}
        return self.call("_plant", {"id": repository, "files": contents, **more})["commit"]

    def xet(self, on: bool) -> None:
        """Turn the server's Xet storage on, as the real Hub has one, or off."""
        self.call("_xet", on)

    def state(self, repository: str) -> dict | None:
        return self.call("_state")["repositories"].get(repository)

    @property
    def asked(self) -> dict[str, int]:
        """How often each endpoint was asked since faults were last set."""
        return self.call("_state")["asked"]

    def environment(self, home: Path, token: str | None = TOKEN) -> dict[str, str]:
        """The environment of a process that uses this server, with a cache of its own below `home`."""
        named = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        own = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}
        return {**named, **own, **({"HF_TOKEN": token} if token else {})}


@pytest.fixture(scope="session")
def hub_server() -> Iterator[HubServer]:
    command = [sys.executable, ROOT / "tests" / "hub" / "server.py"]
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
        "HF_ASSETS_CACHE": str(tmp_path / "assets"),
        "HUGGINGFACE_CO_URL_TEMPLATE": template,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", hub_server.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet"))
    hub_server.fail()
    hub_server.xet(True)
    yield hub_server
    hub_server.fail()
