"""GitHub's workflows say what setup.py and the Makefile say; `make lint` checks their form."""

import re
from pathlib import Path

import pytest
import yaml

from benchmarks.versions.environments import ENVIRONMENTS, PYTHONS

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_matrix_has_the_pythons_of_setup_py_and_the_floors_theirs() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))["jobs"]
    assert tuple(jobs["tests"]["strategy"]["matrix"]["python"]) == PYTHONS
    pythons = next(
        step["with"]["python-version"]
        for step in jobs["floors"]["steps"]
        if "with" in step and "python-version" in step["with"]
    )
    assert ENVIRONMENTS["floors"].python in pythons.split()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_target_of_make_exists_and_every_job_says_what_it_may_do(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    used = re.findall(r"make ([a-z-]+)", re.sub(r"#.*", "", text))
    assert set(used) <= set(targets)
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert all("permissions" in job and "timeout-minutes" in job for job in workflow["jobs"].values())
