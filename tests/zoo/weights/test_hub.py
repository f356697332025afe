"""Loading from the Hub: which files are fetched, that they are checked, and what hostile repositories achieve."""

import dataclasses
import json
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard
from packaging.version import Version
from PIL import Image
from torch import nn

import zoo
from export.__main__ import main
from zoo.cards.template import CODE
from zoo.files import sha256
from zoo.reference import open_model
from zoo.weights.hub import HubError, fetch, plain_errors
from zoo.weights.locate import load_weight
from zoo.weights.record import Weight

# The HTTP library beneath huggingface_hub finds the call by which that uploads files old-fashioned.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")

RECORD = zoo.get_weight("diracnet16_cifar", "cifar10")
FOLDED, DIRAC = (RECORD.folder / RECORD.files[form].path for form in ("folded", "dirac"))
SMALL = zoo.Spec(depth=10, width=0.25, family="cifar", num_classes=3)


def config(spec: zoo.Spec, form: str) -> bytes:
    return json.dumps({"form": form, "spec": spec.to_dict()}).encode()


BUNDLE = {
    "config.json": config(RECORD.spec, "folded"),
    "model.safetensors": FOLDED.read_bytes(),
    "dirac/config.json": config(RECORD.spec, "dirac"),
    "dirac/model.safetensors": DIRAC.read_bytes(),
}


@pytest.fixture
def net(randomised: Callable[[nn.Module], nn.Module]) -> zoo.DiracNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return randomised(zoo.DiracNet(SMALL))


@pytest.fixture
def published(hub, tmp_path: Path, request: pytest.FixtureRequest) -> Weight:
    """The record as an installed wheel has it: no weights beside the manifest, a commit on the Hub."""
    repository = f"acme/{request.node.name.partition('[')[0]}"
    commit = hub.plant(repository, BUNDLE)
    hub.fail()
    return dataclasses.replace(RECORD, folder=tmp_path / "wheel", repository=repository, revision=commit)


def outputs(net: nn.Module) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        return net(torch.randn(2, 3, 32, 32, generator=generator))


@pytest.fixture
def lfs(hub) -> None:
    """Large files come by HTTP, where the server counts and alters them; by Xet they come through files."""
    hub.xet(False)


def copies(cache: Path, digest: str) -> list[Path]:
    """The files below a cache, links to one counted once, that have these bytes; empty and partial ones are none."""
    files = {path.resolve() for path in cache.rglob("*") if path.is_file() and path.stat().st_size > 10_000}
    return [path for path in files if sha256(path) == digest or "incomplete" in path.name]


@pytest.mark.usefixtures("lfs")
def test_one_form_is_one_file_fetched_once(hub, published: Weight, tmp_path: Path) -> None:
    first = load_weight(published, "folded")
    assert hub.asked["object"] == 1 and hub.asked["resolve"] == 1
    assert len(copies(tmp_path / "cache", RECORD.digests["folded"])) == 1
    second = load_weight(published, "folded")
    assert hub.asked["object"] == 1 and hub.asked["resolve"] == 1  # a commit never changes: nothing is asked
    expected = outputs(zoo.get_model(RECORD.model, weights=RECORD.tag, folded=True))
    assert torch.equal(outputs(zoo.build_from(first)), expected) and torch.equal(
        outputs(zoo.build_from(second)), expected
    )


def test_the_clone_comes_before_the_hub(hub, published: Weight) -> None:
    shutil.copytree(RECORD.folder, published.folder)
    assert load_weight(published, "folded").spec == RECORD.spec and not {"resolve", "object"} & hub.asked.keys()


@pytest.mark.usefixtures("lfs")
@pytest.mark.parametrize("offline", [False, True])
def test_a_damaged_file_in_the_cache(hub, published: Weight, tmp_path: Path, offline: bool, monkeypatch) -> None:
    load_weight(published, "folded")
    (blob,) = copies(tmp_path / "cache", RECORD.digests["folded"])
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    if offline:
        with pytest.raises(ValueError, match=r"is damaged: its sha256 is .*; HF_HUB_OFFLINE forbids fetching it again"):
            load_weight(published, "folded")
        return
    load_weight(published, "folded")
    assert hub.asked["object"] == 2 and sha256(blob) == RECORD.digests["folded"]


@pytest.mark.usefixtures("lfs")
@pytest.mark.parametrize("times", [1, 100])
def test_a_server_that_sends_other_bytes(hub, published: Weight, times: int) -> None:
    hub.fail({"endpoint": "object", "kind": "corrupt", "times": times})
    if times == 1:
        load_weight(published, "folded")
    else:
        with pytest.raises(ValueError, match=r"was fetched twice and has the sha256 .*: do not use it"):
            load_weight(published, "folded")
        with pytest.raises(ValueError, match="was fetched twice"):
            zoo.from_pretrained(published.repository, folded=True)  # known by the Hub's own hash


@pytest.mark.usefixtures("lfs")
def test_a_file_that_is_not_the_registrys(hub, published: Weight) -> None:
    other = dataclasses.replace(published.files["folded"], sha256="0" * 64)
    wrong = dataclasses.replace(published, files={"folded": other})
    with pytest.raises(ValueError, match=f"fetched twice and has the sha256 {RECORD.digests['folded']}, not 0000"):
        load_weight(wrong, "folded")
    assert hub.asked["object"] == 2


def test_offline_works_from_the_cache_and_says_what_is_missing(hub, published: Weight, monkeypatch) -> None:
    load_weight(published, "folded")
    zoo.from_pretrained(published.repository, folded=True)
    hub.fail()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    load_weight(published, "folded")
    zoo.from_pretrained(published.repository, folded=True)
    message = r"cannot fetch dirac/\S+ of the repository acme/\S+: the local cache does not have it, and HF_HUB_OFFLINE"
    with pytest.raises(FileNotFoundError, match=message):
        load_weight(published, "dirac")
    with pytest.raises(FileNotFoundError, match=message):
        zoo.from_pretrained(published.repository)
    assert not {"resolve", "object"} & hub.asked.keys()


def test_a_server_that_is_down(published: Weight, monkeypatch) -> None:
    load_weight(published, "folded")
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    load_weight(published, "folded")
    with pytest.raises(
        HubError, match=r"cannot fetch dirac/\S+ of the repository acme/\S+: no connection to http://127\.0\.0\.1:9"
    ):
        load_weight(published, "dirac")


def test_a_socks_proxy_says_what_it_takes(published: Weight, monkeypatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    huggingface_hub.close_session()  # so that the next one reads the environment
    try:
        with pytest.raises(HubError, match=r"cannot fetch \S+ of the repository acme/\S+: .*SOCKS.*install socksio`$"):
            load_weight(published, "folded")
    finally:
        monkeypatch.delenv("ALL_PROXY")
        huggingface_hub.close_session()


def test_a_mirror_is_a_folder(published: Weight, tmp_path: Path) -> None:
    for index, below in enumerate(("diracnet16_cifar/cifar10", published.repository, "diracnet16_cifar-cifar10", ".")):
        mirror = tmp_path / f"mirror{index}"
        (mirror / below).mkdir(parents=True)
        with pytest.raises(FileNotFoundError, match="has no weights of diracnet16_cifar:cifar10; looked for"):
            load_weight(published, "folded", mirror)
        shutil.copy(FOLDED, mirror / below)
        assert load_weight(published, "folded", mirror).form == "folded"
    assert zoo.get_model(RECORD.model, weights=RECORD.tag, folded=True, mirror=mirror) is not None
    (mirror / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ValueError, match="is damaged: its sha256 is"):
        load_weight(published, "folded", mirror)


@pytest.mark.parametrize(
    ("repository", "fault", "token", "message"),
    [
        ("acme/none", {}, "hf_read_1", "there is no acme/none, or it is private and the token in use may not see it"),
        ("acme/here", {}, "hf_wrong_1", r"the Hub does not know this token \(401\)"),
        ("acme/gated", {}, "hf_read_1", "acme/gated is gated: ask for access on its page"),
        ("acme/private", {}, None, "there is no acme/private, or it is private and the token in use may not see it"),
        ("acme/none", {}, "hf_read_1", r"HF_TOKEN; there is no folder acme/none here either"),
        ("acme/here@v9", {}, "hf_read_1", "acme/here has no such branch, tag or commit"),
        ("acme/here", {"kind": 503, "times": 100}, "hf_read_1", r"the Hub is overloaded or broken \(503\)"),
        ("acme/here", {"kind": "drop", "times": 100}, "hf_read_1", "no connection to"),
    ],
)
def test_refusals_are_explained(
    hub, repository: str, fault: dict, token: str | None, message: str, monkeypatch
) -> None:
    hub.plant("acme/here", BUNDLE)
    hub.plant("acme/gated", BUNDLE, gated=True)
    hub.plant("acme/private", BUNDLE, private=True)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("HF_TOKEN", token or "")
    hub.fail(*([{"endpoint": "resolve", **fault}] if fault else []))
    with pytest.raises(HubError, match=message) as caught:
        zoo.from_pretrained(repository)
    assert "\n" not in str(caught.value)
    assert token is None or token not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_was_removed_is_not_answered_from_the_cache(hub, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_write_1")
    hub.plant("acme/gone", {**BUNDLE, "onnx/int8.onnx": b"an old graph"})
    assert fetch("acme/gone", "onnx/int8.onnx").read_bytes() == b"an old graph"
    huggingface_hub.delete_file("onnx/int8.onnx", "acme/gone")
    with pytest.raises(FileNotFoundError, match="the repository has no such file"):
        fetch("acme/gone", "onnx/int8.onnx")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert fetch("acme/gone", "onnx/int8.onnx").read_bytes() == b"an old graph"  # where nobody can be asked


def test_a_token_that_is_passed_is_struck_out_too() -> None:
    with pytest.raises(HubError) as caught, plain_errors("acme/net", "cannot fetch it", "", "hf_me_1"):
        raise RuntimeError("the proxy refused Bearer hf_me_1")
    assert str(caught.value) == "cannot fetch it: the proxy refused Bearer [token]"


@pytest.mark.parametrize("kind", ["private", "gated"])
def test_who_may_read_reads(hub, kind: str, monkeypatch) -> None:
    hub.plant(f"acme/may-{kind}", BUNDLE, **{kind: True})
    monkeypatch.setenv("HF_TOKEN", "hf_write_1")
    assert type(zoo.from_pretrained(f"acme/may-{kind}")) is zoo.DiracNet


@pytest.mark.usefixtures("lfs")
def test_from_pretrained_takes_root_or_training_form(hub, published: Weight, tmp_path: Path) -> None:
    folded = zoo.from_pretrained(published.repository, folded=True)
    assert type(folded) is nn.Sequential and hub.asked["object"] == 1
    training = zoo.from_pretrained(f"{published.repository}@{published.revision}")
    assert type(training) is zoo.DiracNet and not training.training
    assert type(zoo.DiracNet.from_pretrained(published.repository)) is zoo.DiracNet
    torch.testing.assert_close(outputs(folded), outputs(training), rtol=0, atol=1e-4)
    checkpoint, record = open_model(published.repository)
    assert checkpoint.form == "folded" and record == RECORD
    with pytest.raises(ValueError, match="names the revision a, and revision='b' another"):
        zoo.from_pretrained("acme/x@a", revision="b")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        zoo.from_pretrained(tmp_path / "none")


def test_all_files_are_of_one_commit(hub, published: Weight, monkeypatch) -> None:
    """The branch moves between two requests: what is loaded is what the first one saw."""
    original = zoo.weights.repository.fetch_version

    def moving(repository: str, path: str, **options: object) -> tuple[Path, str]:
        found = original(repository, path, **options)
        hub.plant(repository, {"config.json": config(SMALL, "folded"), "model.safetensors": b"of another net"})
        return found

    monkeypatch.setattr(zoo.weights.repository, "fetch_version", moving)
    assert zoo.from_pretrained(published.repository, folded=True) is not None


def test_a_users_own_net_goes_and_comes_back(hub, net: zoo.DiracNet, tmp_path: Path) -> None:
    labels = {"0": "cat", "1": "dog", "2": "fox"}
    more = {"id2label": labels, "preprocessing": RECORD.preprocessing.to_dict()}
    net.save_pretrained(tmp_path / "saved", config=more)
    net.push_to_hub("me/own", config=more)
    expected = outputs(net)
    sources = (zoo.DiracNet.from_pretrained(tmp_path / "saved"), zoo.DiracNet.from_pretrained("me/own"))
    for found in (*sources, zoo.from_pretrained("me/own"), zoo.build_from(open_model("me/own")[0])):
        assert found.spec == SMALL and not found.training and torch.equal(outputs(found), expected)
    assert hub.state("me/own")["files"]["main"].keys() == {
        ".gitattributes", "README.md", "config.json", "model.safetensors",
    }  # fmt: skip
    read = json.loads((tmp_path / "saved" / "config.json").read_text(encoding="utf-8"))
    assert read["form"] == "dirac" and read["spec"] == SMALL.to_dict()
    checkpoint = zoo.load_repository("me/own", "dirac")
    assert checkpoint.labels == ("cat", "dog", "fox") and checkpoint.preprocessing == RECORD.preprocessing
    with pytest.raises(ValueError, match="holds a training form only; load it with folded=False and fold it"):
        zoo.from_pretrained("me/own", folded=True)
    with pytest.raises(TypeError, match="takes no num_classes: a net is loaded as it was saved"):
        zoo.DiracNet.from_pretrained("me/own", num_classes=5)


@pytest.mark.usefixtures("hub")
def test_a_fine_tuned_net_is_pushed_with_a_card_and_used_like_any_other(tmp_path: Path, capsys) -> None:
    """The path of docs/hub.md, to its end."""
    net = zoo.from_pretrained("diracnet16_cifar:cifar10")
    net.reset_classifier(3)
    said = {"dataset": "my pets", "license": "mit", "metrics": {"top1": 93.1}}
    net.push_to_hub("alice/cats", config={"id2label": {"0": "cat", "1": "dog", "2": "fox"}, **said})
    card = ModelCard(Path(fetch("alice/cats", "README.md")).read_text(encoding="utf-8"))
    data = card.data.to_dict()
    assert (data["license"], data["library_name"], data["pipeline_tag"]) == (
        "mit",
        "diracnet-zoo",
        "image-classification",
    )
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.metric_value) == ("my pets", 93.1)
    assert "cat, dog, fox" in card.text and 'zoo.from_pretrained("alice/cats")' in card.text
    assert "Made from `diracnet16_cifar:cifar10`" in card.text and CODE in card.text
    assert "More Information Needed" not in card.text and "ORG/NAME" not in card.text
    for half in ("train", "test"):
        for name in ("cat", "dog", "fox"):
            (tmp_path / "pets" / half / name).mkdir(parents=True)
            Image.new("RGB", (32, 32), name.encode()[0]).save(tmp_path / "pets" / half / name / "0.png")
    picture = tmp_path / "pets" / "test" / "cat" / "0.png"
    for command in (
        ["evaluate", "alice/cats", "--data", tmp_path / "pets"],
        ["predict", "alice/cats", picture],
        ["export", "alice/cats", "--out", tmp_path / "bundle"],
        ["predict", tmp_path / "bundle", picture],
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["diracnet", *map(str, command)])
            with pytest.raises(SystemExit) as ended:
                main()
        assert not ended.value.code, (command, capsys.readouterr().err)
    assert "top-1 | 93.10%" in (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("hub")
def test_a_net_made_from_a_repository_links_it(net: zoo.DiracNet) -> None:
    net.push_to_hub("alice/first")
    zoo.from_pretrained("alice/first").push_to_hub("alice/second")
    data = ModelCard(Path(fetch("alice/second", "README.md")).read_text(encoding="utf-8")).data.to_dict()
    assert (data["base_model"], data["base_model_relation"]) == ("alice/first", "finetune")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"id2label": {"0": "cat", "1": "dog"}}, "2 labels were given for 3 classes"),
        ({"id2label": {"0": "cat", "2": "dog", "3": "fox"}}, "its keys are 0, 2, 3"),
        ({"id2label": ["cat", "dog", "fox"]}, "id2label must be a dict"),
        ({"id2label": {"0": "cat", "1": "cat", "2": "fox"}}, "both named 'cat'"),
        ({"licence": "free"}, "licence='free': give the SPDX identifier"),
        ({"metrics": {"accuracy": 90}}, "no figure is named 'accuracy'"),
        ({"preprocessing": {"size": 32}}, "missing"),
    ],
)
def test_what_is_wrong_with_a_config_is_said_before_anything_is_made(
    hub, net: zoo.DiracNet, config: dict, message: str, tmp_path: Path
) -> None:
    for save in (
        lambda: net.push_to_hub("alice/wrong", config=config),
        lambda: net.save_pretrained(tmp_path / "s", config=config),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            save()
    assert hub.state("alice/wrong") is None and not (tmp_path / "s").exists()


def test_a_card_of_ones_own_is_kept(net: zoo.DiracNet, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    net.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    with pytest.raises(TypeError, match="they fill huggingface_hub's template"):
        net.save_pretrained(tmp_path, model_card_kwargs={"license": "mit"})


def test_what_is_saved_is_the_net_as_it_is_now(net: zoo.DiracNet, tmp_path: Path) -> None:
    net.reset_classifier(7)
    net.save_pretrained(tmp_path)
    found = zoo.DiracNet.from_pretrained(tmp_path)
    assert found.spec.num_classes == 7 and torch.equal(outputs(found), outputs(net))


@pytest.mark.parametrize("path", ["../../escaped", "/etc/passwd", "a/../../../escaped", "a\\..\\b", "", "a//b"])
def test_paths_that_climb_are_not_fetched(hub, path: str, tmp_path: Path) -> None:
    hub.plant("evil/paths", {path: b"x", "a/b": b"x"})
    with pytest.raises(ValueError, match="is not the path of a file below a repository's root"):
        fetch("evil/paths", path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.read_bytes() == b"x"]


PROGRAM = """
import sys
from zoo.weights.hub import fetch
sys.stdin.read(1)
print(fetch("acme/herd", "model.safetensors"))
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("xet", [True, False])
def test_ten_processes_make_one_good_copy(hub, xet: bool, tmp_path: Path) -> None:
    hub.xet(xet)
    hub.plant("acme/herd", BUNDLE)
    command = [sys.executable, "-c", PROGRAM]
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    herd = [subprocess.Popen(command, env=hub.environment(tmp_path / "home"), **options) for _ in range(10)]
    for process in herd:
        process.stdin.write("go")
        process.stdin.flush()
    done = [process.communicate() for process in herd]
    assert [process.returncode for process in herd] == [0] * 10, done
    (path,) = {Path(output.strip()) for output, _ in done}
    assert sha256(path) == RECORD.digests["folded"]
    assert copies(tmp_path / "home", RECORD.digests["folded"]) == [path.resolve()]


def test_a_record_may_name_a_repository() -> None:
    with pytest.raises(ValueError, match="revision='0123' belongs to no repository"):
        dataclasses.replace(RECORD, revision="0123")
    recorded = dataclasses.replace(RECORD, repository="org/x", revision="0" * 40)
    assert recorded.to_manifest()["repository"] == "org/x" and "repository" not in RECORD.to_manifest()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.resolve().write_bytes(content)


@pytest.mark.parametrize("xet", [True, False])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_the_hash_is_what_the_hub_said(hub, xet: bool, name: str, monkeypatch) -> None:
    """Of small files too, and for the time without a connection."""
    hub.xet(xet)
    hub.plant(f"acme/said-{xet}", BUNDLE)
    path = fetch(f"acme/said-{xet}", name)
    assert path.read_bytes() == BUNDLE[name]
    damage(path)
    assert fetch(f"acme/said-{xet}", name).read_bytes() == BUNDLE[name]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert fetch(f"acme/said-{xet}", name) == path
    damage(path)
    with pytest.raises(ValueError, match=r"is damaged: its (sha256|Git hash) is .* HF_HUB_OFFLINE forbids"):
        fetch(f"acme/said-{xet}", name)


def test_a_net_and_a_space_of_one_name_are_kept_apart(hub, monkeypatch) -> None:
    contents = {"acme/twin": b"of the net\n", "spaces/acme/twin": b"of the space\n"}
    for name, content in contents.items():
        hub.plant(name, {"SHA256SUMS": content})
    found = {kind: fetch("acme/twin", "SHA256SUMS", repo_type=kind) for kind in ("model", "space")}
    assert [path.read_bytes() for path in found.values()] == list(contents.values())
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for kind, path in found.items():
        assert fetch("acme/twin", "SHA256SUMS", repo_type=kind) == path
    damage(found["space"])
    assert fetch("acme/twin", "SHA256SUMS") == found["model"]
    with pytest.raises(ValueError, match="is damaged: its Git hash is"):
        fetch("acme/twin", "SHA256SUMS", repo_type="space")


def test_what_was_said_may_be_lost_or_wrong(hub, tmp_path: Path, monkeypatch) -> None:
    commit = hub.plant("acme/notes", BUNDLE)
    fetch("acme/notes", "config.json", revision=commit)
    notes = list((tmp_path / "assets").rglob("*.json"))
    for content in (b"", b"[]", b"{}", notes[0].read_bytes().replace(b'"etag": "', b'"etag": "0')):
        for note in notes:
            note.write_bytes(content)
        assert fetch("acme/notes", "config.json", revision=commit).read_bytes() == BUNDLE["config.json"]
    shutil.rmtree(tmp_path / "assets")
    (tmp_path / "assets").write_text("no folder")
    assert fetch("acme/notes", "config.json").read_bytes() == BUNDLE["config.json"]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert fetch("acme/notes", "config.json").read_bytes() == BUNDLE["config.json"]  # of which nothing is known


def test_what_another_program_cached_meanwhile_is_no_damage(hub, monkeypatch) -> None:
    hub.plant("acme/moved", BUNDLE)
    fetch("acme/moved", "config.json")
    hub.plant("acme/moved", {"config.json": config(SMALL, "folded")})
    huggingface_hub.hf_hub_download("acme/moved", "config.json")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert fetch("acme/moved", "config.json").read_bytes() in (BUNDLE["config.json"], config(SMALL, "folded"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a folder that the client left
def test_pushing_to_a_hub_without_xet_says_so_at_once(hub, net: zoo.DiracNet, monkeypatch) -> None:
    hub.xet(False)
    if Version(version("huggingface-hub")) >= Version("2"):  # before, the client asked the Hub which way to take
        with pytest.raises(HubError, match=r"^cannot push to me/no-xet: the Xet storage .* set HF_HUB_DISABLE_XET=1"):
            net.push_to_hub("me/no-xet")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    net.push_to_hub("me/no-xet")
    assert zoo.from_pretrained("me/no-xet").spec == SMALL


def test_a_hub_whose_xet_storage_is_broken(hub) -> None:
    hub.plant("acme/broken", BUNDLE)
    hub.fail({"endpoint": "read-token", "kind": 403, "times": 100})
    with pytest.raises(HubError, match=r"^cannot fetch model\.safetensors of the repository acme/broken: "):
        fetch("acme/broken", "model.safetensors")
