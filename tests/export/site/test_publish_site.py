"""The site on the Hub, as a static Space: what it holds afterwards. Against the local server."""

import shutil
from pathlib import Path

import pytest

from export.bundle.sums import write_sums
from export.site.publish import publish_site
from zoo.files import sha256
from zoo.weights.hub import HubError

# The HTTP library beneath huggingface_hub finds the call by which that uploads files old-fashioned.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")


@pytest.fixture
def mine(site: Path, tmp_path: Path) -> Path:
    """Give a copy of the site that a test may change."""
    return Path(shutil.copytree(site, tmp_path / "site"))


def hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*") if path.is_file()}


def contents(state: dict) -> dict[str, str]:
    return {name: digest for name, digest in state["files"]["main"].items() if name != ".gitattributes"}


def test_the_site_is_the_space_in_one_commit(hub, mine: Path) -> None:
    done = publish_site(mine, "org/site")
    state = hub.state("spaces/org/site")
    assert contents(state) == hashes(mine) and state["commits"] == 2  # the Hub's own, and ours
    assert done.created and done.url == f"{hub.url}/spaces/org/site" and done.commit == state["branches"]["main"]
    front = (mine / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert "\nsdk: static\n" in front and "\napp_file: index.html\n" in front
    again = publish_site(mine, "org/site")
    assert not again.changes and hub.state("spaces/org/site") == state


def test_a_newer_site_takes_the_place_of_the_older_and_a_net_of_that_name_stays(hub, mine: Path) -> None:
    hub.plant("org/site", {"model.safetensors": b"a net"})
    net = hub.state("org/site")
    publish_site(mine, "org/site")
    (mine / "try" / "index.html").unlink()
    (mine / "index.html").write_text("newer")
    write_sums(mine)
    publish_site(mine, "org/site")
    state = hub.state("spaces/org/site")
    assert contents(state) == hashes(mine) and state["commits"] == 3
    assert hub.state("org/site") == net


def test_somebody_else_s_space_is_left_alone(hub, mine: Path) -> None:
    hub.plant("spaces/org/theirs", {"app.py": b"years of work"})
    before = hub.state("spaces/org/theirs")
    with pytest.raises(ValueError, match=r"holds files that no publication brought: app\.py"):
        publish_site(mine, "org/theirs")
    assert hub.state("spaces/org/theirs") == before


@pytest.mark.parametrize("endpoint", ["create", "preupload", "commit"])
def test_a_refusal_leaves_no_half_of_a_site(hub, mine: Path, endpoint: str) -> None:
    hub.fail({"endpoint": endpoint, "kind": 403})
    with pytest.raises(HubError):
        publish_site(mine, f"org/refused-{endpoint}")
    if endpoint != "create":
        assert contents(hub.state(f"spaces/org/refused-{endpoint}")) == {}
    hub.fail()
    publish_site(mine, f"org/refused-{endpoint}")
    assert contents(hub.state(f"spaces/org/refused-{endpoint}")) == hashes(mine)


def test_a_dry_run_sends_nothing(hub, mine: Path) -> None:
    done = publish_site(mine, "org/dry", dry_run=True)
    assert set(done.changes.added) == set(hashes(mine)) and done.commit is None
    assert not {"create", "preupload", "commit"} & hub.asked.keys()


def test_what_is_no_site_or_was_changed_is_refused_before_anything_is_asked(hub, mine: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a site that `make site` built"):
        publish_site(tmp_path, "org/site")
    (mine / "index.html").write_text("changed")
    with pytest.raises(ValueError, match=r"is not as it was built: index\.html is altered"):
        publish_site(mine, "org/site")
    assert not hub.asked.keys() - {"xet", "state"}  # which the fixture asked
