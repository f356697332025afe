"""Pull requests: what the owners see, what the main branch keeps, and that none is opened twice."""

import time
from pathlib import Path

import pytest

from export.hub.branch import Patience
from export.hub.push import push
from zoo.weights.hub import HubError, fetch

pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")

CARD = b"---\nlicense: apache-2.0\n---\n# A net\n"
OURS = {"model.safetensors": b"weights" * 99, "README.md": CARD}
THEIRS = {"model.safetensors": b"old", "README.md": CARD}


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    folder = tmp_path / "ours"
    folder.mkdir()
    for name, content in OURS.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def no_right_to_write(hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.state("org/nowhere") is None  # the fixture has set its own token
    monkeypatch.setenv("HF_TOKEN", "hf_pull_1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_a_pull_request_leaves_main_alone(hub, ours: Path, xet: bool) -> None:
    repository = f"org/pull-{xet}"
    hub.xet(xet)
    hub.plant(repository, THEIRS)
    before = hub.state(repository)
    with pytest.raises(HubError, match=r"\(403\); use one with the right to write there, or open a pull request"):
        push(ours, repository)
    assert hub.state(repository) == before
    planned = push(ours, repository, pull_request=True, dry_run=True)
    assert planned.changes.changed == ("model.safetensors",) and hub.state(repository) == before

    opened = push(ours, repository, pull_request=True)
    state = hub.state(repository)
    assert state["branches"] == {**before["branches"], "refs/pr/1": opened.commit}
    assert opened.url.endswith(f"/{repository}/discussions/1") and opened.revision == "refs/pr/1"
    for name, content in OURS.items():
        assert fetch(repository, name, revision="refs/pr/1").read_bytes() == content

    again = push(ours, repository, pull_request=True)
    assert hub.state(repository) == state and (again.url, again.commit) == (opened.url, opened.commit)
    (ours / "model.safetensors").write_bytes(b"better")
    assert push(ours, repository, pull_request=True).url.endswith("/discussions/2")


@pytest.mark.parametrize("kind", [503, "drop", "lost", "html"])
@pytest.mark.parametrize("endpoint", ["info", "tree", "discussions", "preupload", "write-token", "commit"])
def test_a_failure_on_the_way_opens_one_request_at_most(hub, ours: Path, endpoint: str, kind: object) -> None:
    repository = f"org/pull-{endpoint}-{kind}"
    hub.plant(repository, THEIRS)
    hub.fail({"endpoint": endpoint, "kind": kind})
    opened = push(ours, repository, pull_request=True, patience=Patience(attempts=3))
    assert hub.asked[endpoint] and set(hub.state(repository)["branches"]) == {"main", "refs/pr/1"}
    assert hub.state(repository)["branches"]["refs/pr/1"] == opened.commit


def test_many_open_requests_are_all_looked_at(hub, ours: Path) -> None:
    hub.plant("org/many", THEIRS)
    for number in range(6):  # more than the server lists on a page
        (ours / "model.safetensors").write_bytes(b"%d" % number)
        last = push(ours, "org/many", pull_request=True)
    assert push(ours, "org/many", pull_request=True).url == last.url
    assert set(hub.state("org/many")["branches"]) == {"main", *(f"refs/pr/{number}" for number in range(1, 7))}


def test_what_main_has_already_is_not_proposed(hub, ours: Path) -> None:
    hub.plant("org/same", OURS)
    before = hub.state("org/same")
    assert not push(ours, "org/same", pull_request=True).changes
    assert hub.state("org/same") == before


@pytest.mark.parametrize(
    ("repository", "options", "error", "message"),
    [
        ("org/nowhere", {}, ValueError, "there is no org/nowhere to open a pull request in"),
        ("org/there", {"tag": "v1"}, ValueError, "pull_request goes without tag, private and revision"),
        ("org/there", {"private": True}, ValueError, "pull_request goes without tag, private and revision"),
        ("org/there", {"revision": "next"}, ValueError, "pull_request goes without tag, private and revision"),
        ("org/gated", {}, HubError, "org/gated is gated: ask for access on its page"),
    ],
)
def test_what_cannot_be_proposed(hub, ours: Path, repository: str, options: dict, error: type, message: str) -> None:
    hub.plant("org/there", THEIRS)
    hub.plant("org/gated", THEIRS, gated=True)
    before = hub.state(repository)
    with pytest.raises(error, match=message):
        push(ours, repository, pull_request=True, **options)
    assert hub.state(repository) == before


def test_reading_alone_opens_nothing(hub, ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.plant("org/readers", THEIRS)
    monkeypatch.setenv("HF_TOKEN", "hf_read_1")
    with pytest.raises(HubError, match=r"the token may not do that to org/readers \(403\)"):
        push(ours, "org/readers", pull_request=True)
