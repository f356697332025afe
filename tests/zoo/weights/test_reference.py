"""What the string MODEL means: read in one place, before anything is fetched, alike for all who take it."""

import json
import logging
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from export.commands.answering import open_net
from export.runtime import Classifier
from zoo.commands.catalogue import info
from zoo.reference import open_model
from zoo.weights.checkpoint import Checkpoint
from zoo.weights.reference import File, Folder, Hub, Named, Reference, Tagged, _tell, parse_reference

SMALL = zoo.Spec(depth=10, width=0.25, family="cifar", num_classes=3)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one of everything; whoever asks for a connection fails."""
    here = tmp_path / "here"
    net = zoo.DiracNet(SMALL)
    for name in ("build/bundle", "bundle"):
        net.save_pretrained(here / name)
    for name in ("run", "runs/first", "runs/unfinished"):
        (here / name).mkdir(parents=True)
        (here / name / "run.json").write_text("{}")
    for name in ("run", "runs/first"):
        (here / name / "model.safetensors").write_bytes((here / "bundle/model.safetensors").read_bytes())
    (here / "graphs/onnx").mkdir(parents=True)
    (here / "graphs/onnx/model.onnx").write_bytes(b"no graph")
    (here / "diracnet16_cifar/cifar10").mkdir(parents=True)  # as in checkpoints/
    (here / "plain").write_bytes((here / "run/model.safetensors").read_bytes())
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here))
    _tell.cache_clear()

    def no_connection(*arguments: object, **_: object) -> None:
        pytest.fail(f"asked for a connection: {arguments}")

    monkeypatch.setattr(socket, "getaddrinfo", no_connection)
    return here


MEANINGS = {
    "diracnet16_cifar": Named("diracnet16_cifar"),  # though a folder of that name is here: nothing in it is a net
    "nonsense": Named("nonsense"),
    "diracnet16_cifar:cifar10": Tagged("diracnet16_cifar", "cifar10"),
    "diracnet16_cifar:": Tagged("diracnet16_cifar", ""),
    "plain": File(Path("plain")),
    "run/model.safetensors": File(Path("run/model.safetensors")),
    "./run/model.safetensors": File(Path("run/model.safetensors")),
    "run": File(Path("run/model.safetensors")),
    "runs/first": File(Path("runs/first/model.safetensors")),
    "bundle": Folder(Path("bundle")),
    "bundle/": Folder(Path("bundle")),
    "build/bundle": Folder(Path("build/bundle")),
    "graphs": Folder(Path("graphs")),
    ".": Folder(Path()),
    "me/net": Hub("me/net"),
    "me/na-me.1": Hub("me/na-me.1"),
    "me/net@v1": Hub("me/net", "v1"),
    "me/net@refs/pr/1": Hub("me/net", "refs/pr/1"),
    "hf-hub:me/net@v1": Hub("me/net", "v1"),
    "hf-hub:build/bundle": Hub("build/bundle"),
    "hf:build/bundl": Hub("build/bundl"),
}


@pytest.mark.parametrize(("text", "meaning"), MEANINGS.items(), ids=MEANINGS)
def test_what_a_text_means(text: str, meaning: Reference) -> None:
    assert parse_reference(text) == meaning


def test_a_home_folder(here: Path) -> None:
    assert parse_reference("~/bundle") == Folder(here / "bundle")


MISTYPED = [
    "build/bundl", "buildx/bundle", "biuld/bundle", "bundle/model.safetensor", "none.safetensors", "none.onnx",
    "none/model.safetensors", "none/graph.onnx", "./none", "../none", "~/none", "/none", "none/", "none/a/net",
    "none/a/net@v1", ".none", "me/", "org /name", "org/na\nme", "org/..", "org/name@", "@/x", "run/none", "plain/x",
]  # fmt: skip
OPENERS = {
    "parse": parse_reference,
    "open_model": open_model,
    "from_pretrained": zoo.from_pretrained,
    "DiracNet.from_pretrained": zoo.DiracNet.from_pretrained,
    "info": info,
    "predict": lambda text: open_net(text, precision=None, threads=1, providers=None),
    "Classifier": Classifier,
}


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("text", MISTYPED)
def test_a_mistyped_path_is_refused_at_once(text: str, opener: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"^no such file or folder: ") as caught:
        OPENERS[opener](text)
    assert text in str(caught.value)


def test_the_refusal_names_the_nearest_path_and_the_hub() -> None:
    with pytest.raises(FileNotFoundError, match=r"nearest is build/bundle; .* write hf-hub:buildx/bundle$"):
        parse_reference("buildx/bundle")
    with pytest.raises(FileNotFoundError, match=r"runs/frist; the nearest is runs/first; .* write hf-hub:runs/frist$"):
        parse_reference("runs/frist")
    with pytest.raises(FileNotFoundError, match=r"^no such file or folder: run/models\.safetensors; the nearest is "):
        parse_reference("run/models.safetensors")


@pytest.mark.parametrize("path", ["me/net", "diracnet16_cifar:cifar10", "hf-hub:me/net", "nonsense"])
def test_a_path_object_must_exist(path: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"^no such file or folder"):
        parse_reference(Path(path))


@pytest.mark.parametrize("text", ["", "hf-hub:", "hf-hub:name", "hf:../name", "hf-hub:a/b/c"])
def test_empty_and_malformed_references_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is empty|names no repository"):
        parse_reference(text)


def test_what_hides_a_repository_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="zoo"):
        for text in ("build/bundle", "build/bundle", "./build/bundle", "bundle", "run", "build/bundle/"):
            parse_reference(text)
    assert [record.getMessage() for record in caplog.records] == [
        "note: build/bundle is taken from this machine; the repository of that name on the Hub is hf-hub:build/bundle"
    ]


@pytest.mark.parametrize("text", ["run", "runs/first", "run/model.safetensors", "plain", "bundle", "build/bundle"])
def test_everything_here_opens_everywhere(here: Path, text: str, capsys: pytest.CaptureFixture) -> None:
    expected = Checkpoint.load(here / "plain").digest()
    checkpoint, record = open_model(text)
    assert checkpoint.digest() == expected and record is None
    assert zoo.load_repository(text, "dirac").digest() == expected
    assert zoo.load_repository(Path(text), "dirac").digest() == expected
    assert zoo.from_pretrained(text).spec == zoo.DiracNet.from_pretrained(text).spec == SMALL
    info(text, as_json=True)
    assert json.loads(capsys.readouterr().out)["spec"] == SMALL.to_dict()
    with pytest.raises(ValueError, match="form"):
        zoo.from_pretrained(text, folded=True)
    with pytest.raises(ValueError, match="revision='v1' chooses a commit of a repository of the Hub"):
        zoo.from_pretrained(text, revision="v1")
    with pytest.raises(ValueError, match="do not say how pictures become their input"):
        open_net(text, precision=None, threads=0, providers=None)


def test_weights_of_the_registry_are_a_source_too() -> None:
    net = zoo.from_pretrained("diracnet16_cifar:cifar10", folded=True)
    expected = zoo.get_model("diracnet16_cifar", weights="cifar10", folded=True).state_dict()
    assert all((tensor == expected[name]).all() for name, tensor in net.state_dict().items())
    with pytest.raises(FileNotFoundError, match="no file or folder here, and no repository either"):
        zoo.from_pretrained("diracnet16_cifar")


@pytest.mark.parametrize("opener", OPENERS)
def test_an_unfinished_run_says_so(opener: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"the training run in runs/unfinished has no model\.safetensors yet"):
        OPENERS[opener]("runs/unfinished")


def test_graphs_only() -> None:
    with pytest.raises(ValueError, match=r"run/model\.safetensors is a checkpoint, and only graphs are run here"):
        Classifier("run")
    with pytest.raises(FileNotFoundError, match="nets of the registry become bundles by `diracnet export`"):
        Classifier("diracnet16_cifar:cifar10")
    with pytest.raises(ValueError, match="ONNX Runtime cannot load"):
        Classifier("graphs")


BLOCKED = """
import sys
sys.modules["torch"] = sys.modules["torchvision"] = None
import export.layout, export.runtime
from zoo.weights.reference import parse_reference
assert "huggingface_hub" not in sys.modules
print(parse_reference("me/net"), parse_reference("diracnet16_cifar"))
import zoo.weights.hub
"""


def test_without_pytorch(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED],
        env={"PYTHONPATH": str(root), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Hub(repository='me/net', revision=None) Named(name='diracnet16_cifar')\n"
