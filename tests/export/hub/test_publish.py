"""Publishing: what the repository holds afterwards, whatever fails on the way. All against a server process."""

import hashlib
import io
import logging
import os
import re
import time
import traceback
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version
from rich.console import Console
from rich.table import Table

from export import VerificationError, export_bundle
from export.bundle.sums import write_sums
from export.hub.branch import Patience
from export.hub.publish import publish
from export.hub.push import push
from zoo.files import sha256
from zoo.reference import open_model
from zoo.weights.hub import HubError

# The HTTP library beneath huggingface_hub finds the call by which that uploads files old-fashioned.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")

CARD = b"---\nlicense: apache-2.0\n---\n# A net\n"
OLD = {"model.safetensors": b"old weights", "onnx/old.onnx": b"gone later", "config.json": b"{}", "README.md": CARD}
NEW = {
    "model.safetensors": b"new weights" * 99,
    "onnx/model.onnx": b"a graph",
    "config.json": b"{}",
    "README.md": CARD + b"Better.\n",
}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    write_sums(folder)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*") if path.is_file()}


def contents(state: dict, branch: str = "main") -> dict[str, str]:
    """The hashes of a branch's files, without the Hub's own."""
    return {name: digest for name, digest in state["files"][branch].items() if name != ".gitattributes"}


def sums(files: dict[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()).encode()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write(tmp_path / "old", OLD)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write(tmp_path / "new", NEW)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that this process would have slept; it does not, so that failures take no time."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


# What may go wrong: name → fault. Those that pass are mended within the call, if they do not come again and again.
PASSING = {
    "429": {"kind": 429, "retry_after": 7},
    "503": {"kind": 503},
    "gateway": {"kind": "html"},
    "dropped": {"kind": "drop"},
    "answer lost": {"kind": "lost"},
}
LASTING = {
    "401": {"kind": 401},
    "403": {"kind": 403},
    **{f"{name}, always": {**PASSING[name], "times": 10**6} for name in ("503", "dropped", "answer lost")},
}
LFS = ("batch", "put", "verify")
WAITS = Version(version("huggingface-hub")) >= Version("2")
"""Whether the client waits as long as the Hub asks it to, before it sends a file again; it does that by itself."""
ENDPOINTS = ("create", "info", "tree", "refs", "preupload", "write-token", *LFS, "yaml", "commit", "tag")
CASES = [(endpoint, name, fault) for endpoint in ENDPOINTS for name, fault in {**PASSING, **LASTING}.items()]
# What was done although no answer ever came is found to be done.
HEALING = {(endpoint, "answer lost, always") for endpoint in ("create", "verify", "commit", "tag")}
REASONS = re.compile(
    r"cannot publish to \S+: (the Hub is overloaded or broken|no connection to|the Hub does not know this token|"
    r"the token may not do that)"
)


def attempt(folder: Path, repository: str) -> tuple[str, str]:
    """Publish; return "done" or the error, and all text that a user might be shown of it."""
    try:
        push(folder, repository, tag="v1", patience=Patience(attempts=3))
    except (HubError, FileNotFoundError) as error:
        return str(error), "".join(traceback.format_exception(error))
    return "done", ""


def test_matrix_of_failures(hub, new: Path, waits: list[float], capfd, caplog) -> None:
    """The repository then holds the old state or the whole new one; a second call completes. `-s` shows the table."""
    caplog.set_level(logging.INFO, logger="huggingface_hub")
    table = Table("endpoint", "failure", "first call", "the repository is then", "after a second call")
    wrong, shown = [], []
    for number, (endpoint, name, fault) in enumerate(CASES):
        repository = f"matrix/{number}"
        hub.xet(endpoint not in LFS)
        if endpoint != "create":
            hub.plant(repository, {**OLD, "SHA256SUMS": sums(OLD)})
        before = hub.state(repository)
        # Bytes that no earlier case uploaded: what the Hub has already is not sent again.
        (new / "model.safetensors").write_bytes(b"weights %d" % number)
        write_sums(new)
        hub.fail({"endpoint": endpoint, **fault})
        waits.clear()
        first, text = attempt(new, repository)
        asked, between = hub.asked[endpoint], hub.state(repository)
        honoured = name != "429" or max(waits, default=0) >= 7 or (endpoint in LFS and not WAITS)
        hub.fail()
        second, more = attempt(new, repository)
        after = hub.state(repository)
        shown += [first, text, second, more]

        if between is None or not (held := contents(between)) or (before and held == contents(before)):
            state = "old"
        else:
            state = "new" if held == hashes(new) else "a mixture"
        right = first == "done" if name in PASSING or (endpoint, name) in HEALING else REASONS.match(first)
        complete = second == "done" and contents(after) == hashes(new)
        once = after["commits"] == (before["commits"] if before else 1) + 1
        tagged = after["tags"] == {"v1": after["branches"]["main"]}
        table.add_row(endpoint, name, "done" if first == "done" else "error", state, "new" if complete else second)
        if not (asked and right and honoured and state != "a mixture" and complete and once and tagged):
            wrong.append(
                f"{endpoint}, {name}: {first}; {state}; {second}; asked {asked} times, waited {waits}, {after}"
            )
    output = capfd.readouterr()
    Console(width=100).print(table)
    assert not wrong, "\n".join(wrong)
    assert "HTTP Error 503" in caplog.text  # what huggingface_hub logs was seen
    assert os.environ["HF_TOKEN"] not in "".join([*shown, output.out, output.err, caplog.text])


def test_publishing_again_changes_nothing(hub, new: Path) -> None:
    first = push(new, "org/again", tag="v1")
    before = hub.state("org/again")
    second = push(new, "org/again", tag="v1")
    assert hub.state("org/again") == before and before["commits"] == 2
    assert first.created and not second.created and first.commit == second.commit == before["branches"]["main"]
    assert set(first.changes.added) == set(hashes(new)) == set(second.changes.unchanged) and not second.changes


def test_a_dry_run_tells_and_sends_nothing(hub, old: Path, new: Path) -> None:
    would = push(new, "org/dry", dry_run=True)
    assert would.created and would.commit is None and set(would.changes.added) == set(hashes(new))
    assert hub.state("org/dry") is None
    push(old, "org/dry")
    before = hub.state("org/dry")
    hub.fail()
    would = push(new, "org/dry", tag="v2", revision="next", dry_run=True)
    assert hub.state("org/dry") == before and not {"create", "preupload", "commit", "branch", "tag"} & hub.asked.keys()
    assert would.changes.added == ("onnx/model.onnx",) and would.changes.deleted == ("onnx/old.onnx",)
    assert would.changes.changed == ("README.md", "SHA256SUMS", "model.safetensors")
    assert would.changes.unchanged == ("config.json",)


def test_a_branch_is_made_where_it_is_missing(hub, old: Path, new: Path) -> None:
    push(old, "org/branch")
    push(new, "org/branch", revision="next")
    state = hub.state("org/branch")
    assert contents(state) == hashes(old) and contents(state, "next") == hashes(new)
    push(old, "org/branch", revision="same")
    assert hub.state("org/branch")["branches"]["same"] == state["branches"]["main"]


def test_a_branch_that_moved_is_left_alone(hub, old: Path, new: Path) -> None:
    push(old, "org/moved")
    hub.fail({"endpoint": "commit", "kind": "move"})
    with pytest.raises(HubError, match="somebody else changed the branch main of org/moved meanwhile"):
        push(new, "org/moved")
    moved = contents(hub.state("org/moved"))
    assert {name for name in moved if moved[name] != hashes(old)[name]} == {"README.md"}
    push(new, "org/moved")
    assert contents(hub.state("org/moved")) == hashes(new)


def test_files_of_others_are_not_deleted(hub, new: Path) -> None:
    hub.plant("org/theirs", {"thesis.pdf": b"years of work", "config.json": b"{}"})
    before = hub.state("org/theirs")
    with pytest.raises(ValueError, match=r"holds files that no publication brought: thesis\.pdf; publishing"):
        push(new, "org/theirs")
    assert hub.state("org/theirs") == before


def test_a_public_repository_is_not_silently_made_private(hub, old: Path, new: Path) -> None:
    push(old, "org/private", private=True)
    push(new, "org/private", private=True)
    assert hub.state("org/private")["private"] and contents(hub.state("org/private")) == hashes(new)
    push(old, "org/public")
    with pytest.raises(ValueError, match="org/public is public already"):
        push(new, "org/public", private=True)
    assert contents(hub.state("org/public")) == hashes(old)


def test_a_tag_is_never_moved(hub, old: Path, new: Path) -> None:
    push(old, "org/tag", tag="v1")
    with pytest.raises(ValueError, match="org/tag has a tag 'v1' on another commit"):
        push(new, "org/tag", tag="v1")
    assert contents(hub.state("org/tag")) == hashes(old)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("hf_unknown_" + "S3cr3t" * 4, r"the Hub does not know this token \(401\); log in with `hf auth login`"),
        ("hf_read_" + "S3cr3t" * 4, r"the token may not do that to org/rights \(403\)"),
        (None, r"log in with `hf auth login`, or set HF_TOKEN"),
    ],
    ids=["unknown", "read-only", "none"],
)
@pytest.mark.parametrize("there", [False, True], ids=["new", "existing"])
def test_rights(hub, old: Path, token: str | None, there: bool, message: str, monkeypatch) -> None:
    repository = "org/rights" if there else "org/none"
    hub.plant("org/rights", {"config.json": b"{}"})
    before = hub.state(repository)
    monkeypatch.delenv("HF_TOKEN")
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(HubError, match=message.replace("org/rights", repository)) as caught:
        push(old, repository)
    assert hub.state(repository) == before
    assert token is None or token not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["x", "org/", "org/x@main", "../x", "org/x/y", "https://huggingface.co/org/x"])
def test_invalid_repository_names_are_refused(name: str, old: Path) -> None:
    with pytest.raises(ValueError, match="names no repository: it must be ORG/NAME"):
        push(old, name)


def test_only_good_bundles_are_published(hub, tmp_path: Path) -> None:
    export_bundle(open_model("diracnet10_cifar")[0], tmp_path / "untrained")
    with pytest.raises(ValueError, match="holds untrained weights, which nobody can use"):
        publish(tmp_path / "untrained", "org/bad")
    (tmp_path / "untrained" / "config.json").write_text("{}")
    with pytest.raises(VerificationError, match=r"config\.json is altered"):
        publish(tmp_path / "untrained", "org/bad")
    with pytest.raises(FileNotFoundError, match="is not a bundle"):
        publish(tmp_path, "org/bad")
    folder = write(tmp_path / "links", OLD)
    (tmp_path / "secret").write_text("not for everyone")
    (folder / "notes.md").symlink_to(tmp_path / "secret")
    write_sums(folder)
    with pytest.raises(ValueError, match=r"holds links: notes\.md; only files are published"):
        push(folder, "org/bad")
    assert hub.state("org/bad") is None


@pytest.mark.usefixtures("hub")
def test_what_servers_say_is_logged_without_the_token(old: Path) -> None:
    """The server's warnings reach the log of huggingface_hub through the same handlers as this record."""
    logger, stream = logging.getLogger("huggingface_hub"), io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        push(old, "org/log", on_stage=lambda stage: logger.warning("%s with %s", stage, os.environ["HF_TOKEN"]))
    finally:
        logger.removeHandler(handler)
    assert "committing with [token]" in stream.getvalue() and os.environ["HF_TOKEN"] not in stream.getvalue()
