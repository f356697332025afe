"""torch.hub as GitHub serves it: the archive, its refs, and the weights that are no part of it."""

import inspect
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
import torch

import zoo
from zoo.files import sha256
from zoo.weights.fetching import PATIENCE
from zoo.weights.github import addresses, download

ROOT = Path(__file__).resolve().parent.parent.parent
GIT = shutil.which("git")
# Connects to the server in place of GitHub's hosts. Everything else is what Python and torch.hub do by themselves.
CONNECT = """
import http.client, os, urllib.request

class Here(urllib.request.HTTPSHandler):
    def https_open(self, request):
        here = "127.0.0.1:" + os.environ["GITHUB_PORT"]
        return self.do_open(lambda host, timeout: http.client.HTTPConnection(here, timeout=timeout), request)

urllib.request.install_opener(urllib.request.build_opener(Here))
"""
DIRAC = zoo.get_weight("diracnet16_cifar", "cifar10").files["dirac"].path
LOAD = "net = torch.hub.load({!r}, 'diracnet16_cifar', weights='cifar10')"


@dataclass(frozen=True)
class GitHub:
    """The server of `tests/hub/github.py`, and its repository."""

    port: int
    repository: Path

    def git(self, *arguments: object, content: bytes = b"") -> str:
        identity = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "core.compression=0"]
        command = [GIT, *identity, "--git-dir", self.repository, "--work-tree", ROOT, *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, input=content, stdout=subprocess.PIPE, check=True)
        return done.stdout.decode().strip()

    def change(self, branch: str, path: str, content: bytes) -> str:
        """Commit a file to a branch, which begins at main if it is new, and return the commit."""
        known = self.git("for-each-ref", f"refs/heads/{branch}")
        start = self.git("rev-parse", branch if known else "main")
        self.git("read-tree", start)
        blob = self.git("hash-object", "-w", "--stdin", content=content)
        self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        commit = self.git("commit-tree", self.git("write-tree"), "-p", start, "-m", path)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit

    def asked(self) -> list[str]:
        """Return the addresses that were asked for since the last call."""
        return self.tell("_log")

    def limit(self, *hosts: str) -> None:
        self.tell(f"_limit/{','.join(hosts)}")

    def tell(self, path: str) -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}") as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    repository = tmp_path_factory.mktemp("github") / "diracnet-zoo.git"
    subprocess.run([GIT, "init", "--quiet", "--bare", "--initial-branch=main", repository], check=True)
    at = GitHub(0, repository)
    (repository / "info" / "exclude").write_text(".venv\n")  # a link, perhaps, which .gitignore does not mean
    at.git("add", ".")
    at.git("commit", "--quiet", "--message", "everything")
    at.git("tag", "v1.0")
    command = [sys.executable, ROOT / "tests" / "hub" / "github.py", repository]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield GitHub(int(process.stdout.readline()), repository)
        finally:
            process.stdin.close()


@pytest.fixture
def github(server: GitHub) -> GitHub:
    server.limit()
    return server


def user(github: GitHub, home: Path, program: str, answers: str = "", **more: str) -> subprocess.CompletedProcess:
    """Run what a user types in a process of its own."""
    (home / "site").mkdir(parents=True, exist_ok=True)
    (home / "site" / "sitecustomize.py").write_text(CONNECT, encoding="utf-8")
    own = {"GITHUB_PORT": str(github.port), "TORCH_HOME": str(home / "torch"), "PYTHONPATH": str(home / "site")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "GITHUB_"))}
    command = [sys.executable, "-c", f"import torch\n{program}"]
    environment = {**kept, **own, **more}
    return subprocess.run(
        command, cwd=home, env=environment, input=answers, capture_output=True, text=True, check=False
    )


def raw(github: GitHub, ref: str, path: str = DIRAC) -> str:
    commit = github.git("rev-parse", f"{ref}^{{commit}}")
    return f"https://raw.githubusercontent.com/me/diracnet-zoo/{commit}/checkpoints/diracnet16_cifar/cifar10/{path}"


SESSION = """
from PIL import Image
print(len(torch.hub.list("me/diracnet-zoo")))
print(torch.hub.help("me/diracnet-zoo", "diracnet16_cifar"))
net = torch.hub.load("me/diracnet-zoo", "diracnet16_cifar", weights="cifar10")
folded = torch.hub.load("me/diracnet-zoo", "diracnet16_cifar", pretrained=True, folded=True)
labels = torch.hub.load("me/diracnet-zoo", "labels", "diracnet16_cifar", "cifar10")
transforms = torch.hub.load("me/diracnet-zoo", "transforms", "diracnet16_cifar", "cifar10")
picture = transforms(Image.open(PICTURE))[None]
assert torch.allclose(net(picture), folded(picture), atol=1e-4)
print(labels[net(picture).argmax()])
"""


ASKS = inspect.signature(torch.hub.load).parameters["trust_repo"].default == "check"
"""Whether torch.hub asks before it runs a repository's code when nothing is said; torch 2.8 only warns."""


def test_a_session_as_users_type_it(github: GitHub, tmp_path: Path) -> None:
    github.asked()
    program = f"PICTURE = {str(ROOT / 'docs' / 'cat.jpg')!r}\n{SESSION}"
    done = user(github, tmp_path, program, answers="y\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Do you trust this repository") == ASKS  # for four calls
    assert f"{len(zoo.list_models()) + 3}\n" in done.stdout and "Tags: cifar10" in done.stdout
    assert done.stdout.endswith("cat\n")
    hub = tmp_path / "torch" / "hub"
    assert (hub / "trusted_list").read_text(encoding="utf-8") == "me_diracnet-zoo\n" * ASKS
    weights = zoo.get_weight("diracnet16_cifar", "cifar10").files
    kept = {sha256(path) for path in (hub / "checkpoints").iterdir()}
    assert kept == {weights["dirac"].sha256, weights["folded"].sha256}

    asked = github.asked()
    assert [url for url in asked if "zipball" in url] == ["https://github.com/me/diracnet-zoo/zipball/main"]
    files = [url for url in asked if "raw.githubusercontent.com" in url]
    assert files == [raw(github, "main"), raw(github, "main", weights["folded"].path)]

    # In the next process everything is there, and the network may be gone.
    assert user(GitHub(9, github.repository), tmp_path, LOAD.format("me/diracnet-zoo")).returncode == 0
    # Told to fetch again, torch.hub fetches the code; the weights are known by their hash.
    again = user(github, tmp_path, LOAD.format("me/diracnet-zoo:main")[:-1] + ", force_reload=True)")
    assert again.returncode == 0 and not [url for url in github.asked() if "raw.githubusercontent.com" in url]


REFS = {
    "v1.0": {},
    "feature/one_two": {},
    "both": {},
    "refs/tags/both": {"skip_validation": True},
    "COMMIT": {},
}


@pytest.mark.parametrize(
    "ref", [ref if ref == "feature/one_two" else pytest.param(ref, marks=pytest.mark.slow) for ref in REFS]
)
def test_every_kind_of_ref_gets_the_weights_of_its_own_commit(ref: str, github: GitHub, tmp_path: Path) -> None:
    github.change("feature/one_two", "README.md", b"Another branch.\n")
    github.git("tag", "--force", "both", github.change("both", "README.md", b"Tag and branch.\n"))
    github.change("both", "README.md", b"The branch goes on.\n")
    name = github.git("rev-parse", "main") if ref == "COMMIT" else ref
    options = "".join(f", {key}={value!r}" for key, value in {"trust_repo": True, **REFS[ref]}.items())
    github.asked()
    done = user(github, tmp_path, LOAD.format(f"me/diracnet-zoo:{name}")[:-1] + options + ")")
    assert done.returncode == 0, done.stderr
    commit = github.git("rev-parse", f"refs/heads/{name}" if ref == "both" else f"{name}^{{commit}}")
    assert raw(github, commit) in github.asked()


def test_code_that_was_fetched_again_is_not_mixed_with_the_code_in_memory(github: GitHub, tmp_path: Path) -> None:
    github.change("moving", "README.md", b"one\n")
    load = "torch.hub.load('me/diracnet-zoo:moving', 'diracnet10_cifar', trust_repo=True, force_reload=True)"
    move = f"import subprocess; subprocess.run({[GIT, '--git-dir', str(github.repository)]!r} + ['update-ref', "
    move += f"'refs/heads/moving', {github.git('rev-parse', 'main')!r}], check=True)"
    done = user(github, tmp_path, f"{load}; {load}; print('twice')\n{move}\n{load}")
    assert done.returncode != 0 and "twice" in done.stdout
    assert "was fetched again and is another commit now; start a fresh process" in done.stderr


def test_what_goes_wrong_is_said(github: GitHub, tmp_path: Path) -> None:
    asking = LOAD.format("me/diracnet-zoo")[:-1] + ", trust_repo='check')"
    untrusted = user(github, tmp_path / "a", asking, answers="n\n")
    assert untrusted.returncode != 0 and "Untrusted repository" in untrusted.stderr
    assert not [url for url in github.asked() if "zipball" in url]

    damaged = github.change("damaged", f"checkpoints/diracnet16_cifar/cifar10/{DIRAC}", b"no weights")
    program = f"""
import urllib.request
for host, options in (
    ("api.github.com", {{"trust_repo": True}}),
    ("api.github.com", {{"skip_validation": True}}),
    ("raw.githubusercontent.com", {{}}),
    ("", None),
):
    urllib.request.urlopen("http://127.0.0.1:{github.port}/_limit/" + host)
    if options is None:
        import huggingface_hub
        huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        torch.hub.load("me/diracnet-zoo:damaged", "diracnet16_cifar", weights="cifar10", **options or {{}})
    except Exception as error:
        print(repr(error))
"""
    done = user(github, tmp_path / "b", program)
    url = raw(github, damaged)
    # torch.hub's own errors, which docs/hub.md explains.
    assert done.stdout.startswith(("KeyError('Authorization')", "<HTTPError 403")), done.stdout
    assert f"what {url} sends is not the file of the registry, or came in part: its sha256 is " in done.stdout
    assert f"cannot fetch {url}: HTTP Error 429" in done.stdout and "wait a while, then call again" in done.stdout
    assert f"HF_HUB_OFFLINE forbids fetching {url}" in done.stdout
    assert not list((tmp_path / "b" / "torch" / "hub" / "checkpoints").iterdir())


def test_the_archive_holds_what_users_need_and_no_more(github: GitHub, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{github.port}/me/diracnet-zoo/legacy.zip/refs/heads/main"
    request = urllib.request.Request(url, headers={"Host": "codeload.github.com"})
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        content = answer.read()
    assert len(content) < 500_000  # docs/hub.md says: less than half a megabyte
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = {name.partition("/")[2] for name in archive.namelist() if not name.endswith("/")}
        archive.extractall(tmp_path)
    left = {name.partition("/")[0] for name in names}
    assert not left & {
        ".ci",
        ".gitattributes",
        ".github",
        ".gitignore",
        "CONTRIBUTING.md",
        "benchmarks",
        "notebooks",
        "runtimes",
        "site",
        "tests",
    }
    assert {Path(name).suffix for name in names if name.startswith("checkpoints/")} == {".json", ".md", ""}
    assert {Path(name).suffix for name in names if name.startswith("docs/")} == {".jpg"}
    rooms = [path for room in ("export", "pixels", "zoo") for path in (ROOT / room).rglob("*.py")]
    rooms = [path for path in rooms if not {"figures", "release", "site"} & set(path.relative_to(ROOT).parts)]
    assert {path.relative_to(ROOT).as_posix() for path in rooms} | {"LICENSE", "README.md", "hubconf.py"} <= names

    # An archive that torch.hub did not unpack says what to do.
    (folder,) = tmp_path.iterdir()
    load = "zoo.get_model('diracnet16_cifar', weights='cifar10')"
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); import zoo; {load}"
    done = user(github, tmp_path, program)
    assert done.returncode != 0 and "load it through torch.hub, or from a clone" in done.stderr


def test_a_server_is_neither_waited_for_nor_listened_to_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = []

    class Endless(BytesIO):
        url, headers = "https://x", {}

        def read1(self, size: int | None = -1) -> bytes:
            return b"x" * (size or 0)

    def answer(url: str, timeout: float) -> Endless:
        assert url == "https://x"
        patience.append(timeout)
        return Endless()

    monkeypatch.setattr("zoo.weights.fetching.urlopen", answer)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"https://x sends is not the file of the registry.*larger than 100 bytes"):
        download(["https://x"], "file", "0" * 64, 100)
    assert patience == [PATIENCE] and not list((tmp_path / "hub" / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("folder", "repositories"),
    [
        ("me_diracnet-zoo_main", ["me/diracnet-zoo"]),
        ("me_diracnet-zoo_a_b", ["me/diracnet-zoo", "me/diracnet-zoo_a"]),
        ("me_dirac_zoo_main", ["me/dirac", "me/dirac_zoo"]),
        ("diracnet-zoo-main", []),
        ("me.._diracnet-zoo_main", []),
        ("me_diracnet zoo_main", []),
    ],
)
def test_addresses(folder: str, repositories: list[str], tmp_path: Path) -> None:
    checkpoints = tmp_path / folder / "checkpoints"
    checkpoints.mkdir(parents=True)
    assert addresses(checkpoints, "a/b") == []
    (checkpoints / "COMMIT").write_text("$Format:%H$\n", encoding="ascii")
    assert addresses(checkpoints, "a/b") == []
    (checkpoints / "COMMIT").write_text("0" * 40 + "\n", encoding="ascii")
    expected = [f"https://raw.githubusercontent.com/{name}/{'0' * 40}/checkpoints/a/b" for name in repositories]
    assert addresses(checkpoints, "a/b") == expected
