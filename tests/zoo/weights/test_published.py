"""Other people's files: several addresses tried in order, each file checked, archives opened safely."""

import dataclasses
import errno
import hashlib
import io
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from pytorchcv.models.diracnetv2 import diracnet18v2, diracnet34v2
from torch import nn

import zoo
from zoo.command_line import run
from zoo.weights import fetching
from zoo.weights.fetching import StorageError, receive
from zoo.weights.imagenet import SOURCES
from zoo.weights.locate import load_weight
from zoo.weights.published import Source, find, obtain
from zoo.weights.record import WeightFile, default_tag
from zoo.weights.upstream import read_upstream

RECORD = zoo.get_weight("diracnet18", "imagenet1k")
SMALL = zoo.diracnet(depth=18, width=0.125, num_classes=3, folded=True)
NAME = "net-12345678.pth"


def packed(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def encrypted(archive: bytes) -> bytes:
    """Return an archive of one file that says it is encrypted."""
    central = archive.index(b"PK\x01\x02")
    return archive[:6] + b"\x01" + archive[7 : central + 8] + b"\x01" + archive[central + 9 :]


def saved(net: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Source]:
    """Give a call that makes a source of these bytes, at an address on this machine."""

    def make(content: bytes, served: bytes | None = None, *, kind: str = "sha256", digits: int | None = None) -> Source:
        name = NAME if served is None else f"{NAME}.zip"
        folder = tmp_path / f"host{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / name).write_bytes(content if served is None else served)
        digest = hashlib.new(kind, content).hexdigest()[:digits]
        return Source(
            url=(folder / name).as_uri(),
            digest=f"{kind}:{digest}",
            publisher="a test",
            preprocessing="none",
            resize_backend="none",
        )

    return make


@pytest.mark.parametrize(("ours", "theirs"), [("diracnet18", diracnet18v2), ("diracnet34", diracnet34v2)])
@torch.inference_mode()
def test_pytorchcv_s_own_model_computes_the_same(ours: str, theirs: Callable[[], nn.Module]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = theirs().eval()
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-1, 1)
        pictures = torch.randn(1, 3, 224, 224)
    loaded = zoo.load_upstream(net.state_dict())
    assert read_upstream(net.state_dict()).spec == zoo.get_spec(ours)
    expected = net(pictures)
    assert (loaded(pictures) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_units_that_are_missing_or_surplus_are_named() -> None:
    state = diracnet18v2().state_dict()
    lacking = {name: tensor for name, tensor in state.items() if name != "features.stage1.unit2.conv.bias"}
    with pytest.raises(ValueError, match=r"group0\.block1\.conv\.bias is missing"):
        zoo.load_upstream(lacking)
    with pytest.raises(ValueError, match=r"stage0\.unit1\.conv\.weight is unexpected"):
        zoo.load_upstream({**state, "features.stage0.unit1.conv.weight": torch.zeros(1)})


@pytest.mark.parametrize("kind", ["sha256", "sha1"])
@pytest.mark.parametrize("digits", [8, None])
@pytest.mark.parametrize("archive", [False, True])
def test_a_file_is_fetched_checked_and_kept(
    source: Callable, kind: str, digits: int | None, archive: bool, cache: Path
) -> None:
    content = saved(SMALL)
    one = source(content, packed((NAME, content)) if archive else None, kind=kind, digits=digits)
    path, found = obtain([one], "net")
    assert (path, found, path.read_bytes()) == (cache / NAME, one, content)
    assert [each.name for each in cache.iterdir()] == [NAME]
    Path(one.url.removeprefix("file://")).unlink()
    assert obtain([one], "net")[0] == path  # without its address
    path.write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match="could not be fetched from any of its 1 addresses"):
        obtain([one], "net")


BAD = {
    "other bytes": (None, "its sha256 is [0-9a-f]{64}, not 0{64}"),
    "no archive": (b"<html>404</html>", r"it is not the archive net-12345678.pth.zip \(File is not a zip file\)"),
    "empty": (packed(), "the archive holds nothing, and should hold net-12345678.pth alone"),
    "climbing": (packed((f"../{NAME}", b"x")), r"the archive holds '\.\./net-12345678.pth'"),
    "absolute": (packed((f"/etc/{NAME}", b"x")), "should hold net-12345678.pth alone"),
    "two": (packed((NAME, b"x"), ("b.pth", b"x")), "'net-12345678.pth', 'b.pth'"),
    "another": (packed(("b.pth", b"x")), "'b.pth'"),
    "wrong inside": (packed((NAME, b"x")), "its sha256 is 2d711642"),
    "encrypted": (encrypted(packed((NAME, b"x"))), r"the archive cannot be unpacked \(File .* is encrypted"),
    "cut": (packed((NAME, bytes(1000)))[:-40], "not a zip file"),
    "a bomb": (packed((NAME, bytes(1 << 20))), "is larger than 100,000 bytes"),
}


@pytest.mark.parametrize("fault", BAD)
def test_what_is_not_the_file_is_refused_and_not_kept(
    source: Callable, fault: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LARGEST", 100_000)
    served, message = BAD[fault]
    bad = source(b"right", served)
    if served is None:
        bad = dataclasses.replace(bad, digest="sha256:" + "0" * 64)
    with pytest.raises(RuntimeError, match=message):
        obtain([bad], "net")
    assert not list(cache.iterdir())


def test_a_damaged_member_is_refused(source: Callable, cache: Path) -> None:
    content = saved(SMALL)
    archive = bytearray(packed((NAME, content)))
    archive[len(archive) // 2] ^= 255
    with pytest.raises(RuntimeError, match="could not be fetched"):
        obtain([source(content, bytes(archive))], "net")
    assert not list(cache.iterdir())


def test_the_sources_are_tried_in_order(source: Callable, cache: Path) -> None:
    content = saved(SMALL)
    gone = dataclasses.replace(source(content), url="file:///nowhere/first-12345678.pth")
    altered = dataclasses.replace(source(content), digest="sha1:" + "0" * 40)
    good = source(content, packed((NAME, content)), kind="sha1")
    assert obtain([gone, altered, good], "net")[1] == good
    (cache / NAME).unlink()
    with pytest.raises(RuntimeError) as caught:
        obtain([gone, altered], "diracnet18:imagenet1k")
    text = str(caught.value)
    assert text.startswith("diracnet18:imagenet1k could not be fetched from any of its 2 addresses, which are ")
    for one in (gone, altered):
        assert one.url in text and one.name in text
    assert "No such file" in text and "its sha1 is" in text and str(cache) in text and "--from" in text


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that answers 403, as dead buckets do."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_both_sources_of_the_registry_gone(
    silent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)its 2 addresses.*HF_HUB_OFFLINE forbids.*HF_HUB_OFFLINE forbids"):
        zoo.get_model("diracnet18", weights="imagenet1k", folded=True)
    with pytest.raises(RuntimeError, match="begins with http:, and only https: is secure"):
        obtain([dataclasses.replace(SOURCES["diracnet18"][0], url=f"{silent}/a-12345678.pth")], "net")
    fetched = []

    def urlopen(url: str, timeout: float) -> object:
        fetched.append(url)
        return real_urlopen(f"{silent}/x", timeout=timeout)

    real_urlopen = fetching.urlopen
    monkeypatch.setattr(fetching, "urlopen", urlopen)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(RuntimeError) as caught:
        zoo.get_model("diracnet34", pretrained=True, folded=True)
    lines = str(caught.value).splitlines()
    with pytest.raises(SystemExit, match="2"):
        run(lambda: obtain(SOURCES["diracnet34"], "diracnet34"))
    printed = capsys.readouterr().err.splitlines()
    assert printed == [f"error: {lines[0].replace(':imagenet1k', '')}", *lines[1:]]
    del fetched[2:]
    urls = [source.url for source in SOURCES["diracnet34"]]
    assert fetched == urls and [line.strip() for line in lines[1:3]] == [f"{url}: Forbidden" for url in urls]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Give a call that lets a server answer so, and returns an address that passes for https."""
    servers = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None: ...

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"https://127.0.0.1:{servers[-1].server_port}/{NAME}"

    class Secure:  # an answer that came over https, unless it was led elsewhere
        def __init__(self, url: str, timeout: float) -> None:
            self._answer = real_urlopen(url.replace("https:", "http:"), timeout=timeout)
            self.url = self._answer.url if self._answer.url.endswith("insecure") else url
            self.headers, self.read1 = self._answer.headers, self._answer.read1

        def __enter__(self) -> "Secure":
            return self

        def __exit__(self, *_: object) -> None:
            self._answer.close()

    real_urlopen = fetching.urlopen
    monkeypatch.setattr(fetching, "urlopen", Secure)
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def send(request: BaseHTTPRequestHandler, content: bytes, length: int) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(length))
    request.end_headers()
    request.wfile.write(content)


def test_a_file_that_breaks_off_or_trickles_is_given_up(answering: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = io.BytesIO()
    receive(answering(lambda request: send(request, b"12345", 5)), whole, "it")
    assert whole.getvalue() == b"12345"
    with pytest.raises(ValueError, match="it breaks off after 5 of 9 bytes"):
        receive(answering(lambda request: send(request, b"12345", 9)), io.BytesIO(), "it")

    def trickle(request: BaseHTTPRequestHandler) -> None:
        send(request, b"1", 1 << 20)
        with suppress(OSError):
            for _ in range(1000):
                time.sleep(0.05)
                request.wfile.write(b"1")

    monkeypatch.setattr(fetching, "PATIENCE", 0.5)
    with pytest.raises(ValueError, match=r"it comes too slowly: \d+ bytes in \d s"):
        receive(answering(trickle), io.BytesIO(), "it")


def test_an_address_that_leads_to_an_insecure_one_is_refused(answering: Callable) -> None:
    def lead(request: BaseHTTPRequestHandler) -> None:
        if request.path == "/insecure":
            send(request, b"forged", 6)
            return
        request.send_response(302)
        request.send_header("Location", "/insecure")
        request.end_headers()

    with pytest.raises(ValueError, match="its address leads to one that begins with http:, and only https: is secure"):
        receive(answering(lead), io.BytesIO(), "it")


def test_a_folder_that_cannot_hold_the_file_is_named_and_no_address_is_asked(
    source: Callable, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved(SMALL)
    sources = [source(content), source(content, packed((NAME, content)))]
    cache.parent.mkdir()
    cache.write_bytes(b"a file")
    with pytest.raises(StorageError, match=rf"{re.escape(str(cache))} cannot hold net: .*TORCH_HOME"):
        obtain(sources, "net")
    cache.unlink()
    asked = []

    def full(url: str, *_: object) -> None:
        asked.append(url)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("zoo.weights.published.receive", full)
    with pytest.raises(StorageError, match="cannot hold net: No space left on device; make room there"):
        obtain(sources, "net")
    assert asked == [sources[0].url] and not list(cache.iterdir())


def test_the_registry_s_sources() -> None:
    for model, sources in SOURCES.items():
        record = zoo.get_weight(model, "imagenet1k")
        assert default_tag(model) == record.tag and zoo.get_weight(model, "imagenet1k_upstream") is record
        assert record.files["folded"].sources == sources and dict(record.metrics) == dict(sources[0].metrics)
        assert [one["resize_backend"] for one in record.provenance["published"]] == [s.resize_backend for s in sources]
        assert [source.is_archive for source in sources] == [False, True]
        manifest = record.to_manifest()["files"]["folded"]
        assert [one["url"] for one in manifest["sources"]] == [source.url for source in sources]
    assert "sources" not in zoo.get_weight("diracnet16_cifar", "cifar10").to_manifest()["files"]["folded"]


@pytest.mark.parametrize(
    "digest", ["sha256:", "sha256:1234567", "md5:12345678", "12345678", "sha1:" + "0" * 64, "sha1:ABCDEF12"]
)
def test_a_digest_says_its_kind_and_enough(digest: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"digest={digest!r}")):
        Source(url="https://host/a.pth", digest=digest, publisher="", preprocessing="", resize_backend="")


def test_tensors_are_remembered(source: Callable, cache: Path) -> None:
    def record(net: nn.Module) -> zoo.Weight:
        one = dataclasses.replace(source(saved(net)), digest=f"sha256:{hashlib.sha256(saved(net)).hexdigest()[:8]}")
        return dataclasses.replace(RECORD, files={"folded": WeightFile(one.name, "00000000", sources=(one,))})

    wide = zoo.diracnet(depth=18, folded=True)
    first = load_weight(record(wide), "folded")
    assert (first.origin, first.tag, first.labels) == ("diracnet18:imagenet1k", "imagenet1k", RECORD.labels)
    note = cache / f"{NAME}.tensors.sha256"
    assert re.fullmatch(r"[0-9a-f]{64}\n", note.read_text())
    load_weight(record(wide), "folded")
    with torch.no_grad():
        wide.fc.bias.add_(1)
    (cache / NAME).unlink()
    with pytest.raises(ValueError, match=rf"holds other tensors than .* remove {re.escape(str(note))}"):
        load_weight(record(wide), "folded")
    for damaged in ("", "not a digest", "ab" * 31):
        note.write_text(damaged)
        with pytest.raises(ValueError, match=rf"{re.escape(str(note))} is damaged: .*Remove it"):
            load_weight(record(wide), "folded")
    note.unlink()
    load_weight(record(wide), "folded")
    note.write_text(note.read_text().upper())
    load_weight(record(wide), "folded")


def test_a_mirror_may_hold_either_source(source: Callable, tmp_path: Path) -> None:
    state = diracnet18v2().state_dict()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    theirs = dataclasses.replace(source(buffer.getvalue(), b"no archive", kind="sha1"))
    absent = dataclasses.replace(theirs, url="https://nowhere.invalid/first-12345678.pth")
    record = dataclasses.replace(
        RECORD, files={"folded": WeightFile(absent.name, "00000000", sources=(absent, theirs))}
    )
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with pytest.raises(FileNotFoundError, match=rf"first-12345678.pth, .*{NAME}"):
        load_weight(record, "folded", mirror)
    (mirror / NAME).write_bytes(buffer.getvalue())
    assert find([absent, theirs], mirror) == (mirror / NAME, theirs)
    assert load_weight(record, "folded", mirror).spec == RECORD.spec
    (mirror / NAME).write_bytes(b"other")
    with pytest.raises(ValueError, match="is damaged: its sha1 is"):
        load_weight(record, "folded", mirror)
    (mirror / f"{NAME}.zip").write_bytes(packed((NAME, buffer.getvalue())))  # as it is downloaded by hand
    assert load_weight(record, "folded", mirror).spec == RECORD.spec
    (mirror / f"{NAME}.zip").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=rf"{NAME} is damaged: .*; .*{NAME}\.zip is damaged: it is not the archive"):
        find([absent, theirs], mirror)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load_weight(record, "folded", tmp_path / "absent")
