"""The README: its snippets run, its figures are those of the manifests."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import zoo
from zoo.weights.record import weights

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```(python|sh)\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("readme") / "clone"
    copy.mkdir()
    for name in ("pixels", "zoo", "export", "checkpoints", "docs", "tests", "hubconf.py"):
        (copy / name).symlink_to(ROOT / name)
    return copy


def test_snippets_run(clone: Path, hub_server) -> None:
    """One after the other in a folder like a clone, because some use what earlier ones wrote; the Hub is the tests'."""
    assert len(SNIPPETS) >= 9
    hub_server.fail()
    environment = hub_server.environment(clone.parent / "home")
    for language, text in SNIPPETS:
        commands = [["-c", text]] if language == "python" else [shlex.split(line)[1:] for line in text.splitlines()]
        for command in commands:
            prefix = [sys.executable] if language == "python" else [sys.executable, "-m", "export"]
            done = subprocess.run(
                [*prefix, *command], cwd=clone, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{text}\n{done.stderr}"
    shutil.rmtree(clone / "build")


def test_every_shell_line_is_a_diracnet_command() -> None:
    lines = [line for language, text in SNIPPETS if language == "sh" for line in text.splitlines()]
    assert lines and all(line.startswith("diracnet ") for line in lines)


def test_the_table_of_weights_is_that_of_the_manifests() -> None:
    expected = []
    for record in weights().values():
        if record.folder is None:
            continue
        with torch.device("meta"):
            parameters = sum(p.numel() for p in zoo.plain(record.spec).parameters())
        top1, hours = f"{record.metrics['top1']:.2f} %", f"{record.provenance['cpu_hours']:.1f}"
        cells = (f"`{record.model}`", f"`{record.tag}`", record.dataset, str(record.recipe["epochs"]), top1)
        expected.append(f"| {' | '.join(cells)} | {parameters:,} | {hours} |")
        environment = record.provenance["environment"]
        assert f"on {environment['device']};" in TEXT
        assert (f"`{record.model}` in two processes" in TEXT) == (environment.get("processes", "1") == "2")
        assert record.provenance["measured"] == "last epoch, no test-time augmentation, 10000 test pictures"
    rows = re.findall(r"^\| `diracnet.*$", TEXT, flags=re.MULTILINE)
    assert rows == expected
