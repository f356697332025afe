"""The whole way, in processes of its own: publish the zoo, lose the weights, load them from the Hub in all ways."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest

import zoo
from export.__main__ import main
from export.bundle.audit import audit
from export.hub.push import push
from export.hub.remote import local_files

# The HTTP library beneath huggingface_hub finds the call by which that uploads files old-fashioned.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")

RECORD = zoo.get_weight("diracnet10_cifar", "cifar10")
NAME = f"{RECORD.model}-{RECORD.tag}"
REPOSITORY = f"e2e/{NAME}"
TOKEN_LIKE = "hf_wrong_" + "S3cr3t" * 5

PUSH = "import sys; from pathlib import Path; from export.hub.push import push; push(Path(sys.argv[1]), sys.argv[2])"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree with one set of weights."""
    root, copy = Path(zoo.__file__).parent.parent, tmp_path_factory.mktemp("e2e") / "clone"
    ignored = shutil.ignore_patterns(".*", "build", "runs", "*.egg-info", "__pycache__", "tests", "checkpoints")
    shutil.copytree(root, copy, ignore=ignored)
    shutil.copytree(RECORD.folder, copy / "checkpoints" / RECORD.model / RECORD.tag)
    return copy


@pytest.fixture(scope="module")
def python(hub_server, clone: Path):
    """Runs Python in the clone with the Hub's client turned to the test server and a cache of its own."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
        env = {**hub_server.environment(clone.parent / "home"), "PYTHONPATH": str(clone), **environment}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def published(hub_server, python, clone: Path) -> dict:
    """What `publish --all` says, after which the clone has lost its weights, as an installed wheel has none."""
    hub_server.fail()
    done = python("-m", "export", "publish", "--all", "--namespace", "e2e", "--tag", "v1", "--json")
    assert done.returncode == 0, done.stderr
    for form in RECORD.files.values():
        (clone / "checkpoints" / RECORD.model / RECORD.tag / form.path).unlink()
    (publication,) = json.loads(done.stdout)
    return publication


def test_the_repository_is_the_bundle(hub, published: dict, clone: Path) -> None:
    state, bundle = hub.state(REPOSITORY), clone / "build" / "bundles" / NAME
    held = {name: digest for name, digest in state["files"]["main"].items() if name != ".gitattributes"}
    assert held == {name: file.sha256 for name, file in local_files(bundle).items()}
    assert state["tags"] == {"v1": published["commit"]} and state["commits"] == 2
    manifest = json.loads((clone / "checkpoints" / RECORD.model / RECORD.tag / "manifest.json").read_text())
    assert (manifest["repository"], manifest["revision"]) == (REPOSITORY, published["commit"])
    checks = list(audit(huggingface_hub.snapshot_download(REPOSITORY)))
    assert len(checks) > 10 and all(check.passed for check in checks)


def test_publishing_the_bundle_again_changes_nothing(hub, published: dict, clone: Path, monkeypatch, capsys) -> None:
    command = ["publish", str(clone / "build" / "bundles" / NAME), "--repo-id", REPOSITORY, "--tag", "v1"]
    monkeypatch.setattr(sys, "argv", ["diracnet", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    said = f"{REPOSITORY}, branch main: nothing changed, commit {published['commit']}, tag v1\n"
    assert not ended.value.code and capsys.readouterr().out.endswith(said)
    assert hub.state(REPOSITORY)["commits"] == 2


def test_a_bundle_is_proposed(hub, published: dict, clone: Path, monkeypatch, capsys) -> None:
    hub.plant("e2e/theirs", {"README.md": b"---\nlicense: mit\n---\n"})
    monkeypatch.setenv("HF_TOKEN", "hf_pull_1")
    command = ["publish", str(clone / "build" / "bundles" / NAME), "--repo-id", "e2e/theirs", "--pull-request"]
    monkeypatch.setattr(sys, "argv", ["diracnet", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    state = hub.state("e2e/theirs")
    told = f"/e2e/theirs/discussions/1, branch refs/pr/1: commit {state['branches']['refs/pr/1']}\n"
    assert not ended.value.code and capsys.readouterr().out.endswith(told)
    assert state["files"]["refs/pr/1"] == hub.state(REPOSITORY)["files"]["main"]
    assert published["commit"] == hub.state(REPOSITORY)["branches"]["main"]


LOAD = """
import os, torch, zoo
net = zoo.get_model("diracnet10_cifar", weights="cifar10", folded=True)
again = torch.hub.load(".", "diracnet10_cifar", weights="cifar10", folded=True, source="local", trust_repo=True)
picture = torch.ones(1, 3, 32, 32)
assert torch.equal(net(picture), again(picture))
print(zoo.get_weight("diracnet10_cifar", "cifar10").labels[net(picture).argmax()])
if os.environ.get("HF_HUB_OFFLINE"):
    zoo.get_model("diracnet10_cifar", weights="cifar10")
"""


@pytest.mark.usefixtures("published")
def test_without_checkpoints_one_file_is_downloaded_once(hub, python) -> None:
    online = python("-c", LOAD)
    assert online.returncode == 0 and online.stdout.strip() in RECORD.labels, online.stderr
    assert hub.asked["resolve"] == hub.asked["read-token"] == 1
    offline = python("-c", LOAD, HF_HUB_OFFLINE="1")
    assert offline.stdout == online.stdout and offline.returncode == 1
    assert (
        f"cannot fetch dirac/model.safetensors of the repository {REPOSITORY}: the local cache does not"
        in offline.stderr
    )
    assert hub.asked["resolve"] == hub.asked["read-token"] == 1


@pytest.mark.parametrize("options", [(), ("--form", "fp16")], ids=["fp32", "fp16"])
def test_onnx_without_pytorch(hub, python, published: dict, options: tuple, root: Path) -> None:
    arguments = ("-X", "importtime", "-m", "export", "predict")
    done = python(*arguments, f"{REPOSITORY}@{published['commit']}", root / "docs" / "cat.jpg", *options)
    assert done.returncode == 0 and any(label in done.stdout for label in RECORD.labels), done.stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert hub.asked["resolve"] == 2 and hub.asked["read-token"] == 1  # for its hash, and to fetch the one graph
    assert {"onnxruntime", "huggingface_hub"} <= imported and not imported & {"torch", "torchvision", "safetensors"}


@pytest.mark.usefixtures("published")
def test_the_token_is_never_shown(python, clone: Path, root: Path) -> None:
    bundle = clone / "build" / "bundles" / NAME
    debug = {"HF_TOKEN": TOKEN_LIKE, "DIRACNET_DEBUG": "1", "HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug"}
    predict = ("-m", "export", "predict", REPOSITORY, root / "docs" / "cat.jpg")
    for command in (("-c", PUSH, bundle, REPOSITORY), predict):
        done = python(*command, **debug)
        assert done.returncode and "the Hub does not know this token (401)" in " ".join(done.stderr.split())
        assert "Traceback" in done.stderr and TOKEN_LIKE not in done.stdout + done.stderr
    written = [path for path in clone.parent.rglob("*") if path.is_file() and TOKEN_LIKE.encode() in path.read_bytes()]
    assert not written


@pytest.mark.usefixtures("published")
def test_what_the_card_says_works(python, clone: Path, root: Path) -> None:
    """The snippets of the published card, one after the other, as they stand there."""
    shutil.copy(root / "docs" / "cat.jpg", clone / "PICTURE.jpg")
    text = (clone / "build" / "bundles" / NAME / "README.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    program = "\n".join(snippets).replace('"OWNER/diracnet-zoo", ', '".", source="local", model=')
    checks = (
        "import torch\npictures = torch.ones(1, 3, 32, 32)\n"
        "zeros = torch.zeros_like(pictures)\n"
        "torch.testing.assert_close(trainable(pictures), net(pictures), rtol=0, atol=1e-4)\n"
        "how = zoo.get_weight('diracnet10_cifar', 'cifar10').preprocessing\n"
        "mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (how.mean, how.std))\n"
        "black = net((zeros - mean) / std).detach()\n"  # LiteRT's models normalize by themselves
        "torch.testing.assert_close(black, torch.from_numpy(logits), rtol=0, atol=1e-4)\n"
        "onnx = onnxruntime.InferenceSession(hf_hub_download(REPOSITORY, 'onnx/model.onnx'))\n"
        "logits, = onnx.run(['logits'], {'pixel_values': pixel_values})\n"
        "torch.testing.assert_close(net(zeros).detach(), torch.from_numpy(logits), rtol=0, atol=1e-4)\n"
        "assert net.state_dict().keys() == state.keys() and type(net) is torch.nn.Sequential\n"
        "whole, = session.run(None, {'pixel_values': pixel_values})\n"  # of the last snippet with one: int8
        "torch.testing.assert_close(torch.from_numpy(whole), torch.from_numpy(logits), rtol=0, atol=0.5)\n"
        "assert (whole != logits).any()\n"
    )
    done = python("-c", program + checks.replace("REPOSITORY", repr(REPOSITORY)))
    assert done.returncode == 0, done.stderr
    label, probability = done.stdout.split()
    assert label in RECORD.labels and 0 < float(probability) <= 1 and len(snippets) == 7


@pytest.mark.parametrize("endpoint", ["put", "commit"])
def test_a_killed_process_leaves_the_old_state(hub, endpoint: str, tmp_path: Path, root: Path) -> None:
    repository, folder = f"e2e/killed-{endpoint}", tmp_path / "folder"
    hub.xet(endpoint != "put")  # by Xet nothing is put
    hub.plant(repository, {"README.md": b"---\nlicense: mit\n---\n"})
    before = hub.state(repository)
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    for name in ("a", "b"):
        (folder / f"{name}.safetensors").write_bytes(f"{name} for {endpoint}".encode() * 10**5)
    environment = hub.environment(tmp_path / "home")
    hub.fail({"endpoint": endpoint, "kind": "hang", "after": 1 if endpoint == "put" else 0})
    process = subprocess.Popen([sys.executable, "-c", PUSH, folder, repository], cwd=root, env=environment)
    hub.call("_hanging")
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert hub.state(repository) == before
    push(folder, repository)
    held = hub.state(repository)["files"]["main"]
    assert {name: held[name] for name in held if name != ".gitattributes"} == {
        name: file.sha256 for name, file in local_files(folder).items()
    }
