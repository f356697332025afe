"""What diracnet-runtime has of the commands, in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "from export.commands.alone import start; from zoo.command_line import run; run(start)"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *map(str, arguments)]


def test_what_pip_left_half_done_is_no_concern(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other-1.0.dist-info").mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(root)))}
    done = subprocess.run(command("--version"), env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("diracnet-")


@pytest.mark.skipif(sys.platform == "win32", reason="such a pipe breaks otherwise there")
def test_a_reader_may_leave(root: Path, untrained: Path) -> None:
    """As `head -1` does."""
    arguments = command("predict", untrained, *[root / "docs" / "cat.jpg"] * 200, "--batch-size", "1")
    with subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert "cat.jpg: " in process.stdout.readline()
        process.stdout.close()
        told = [line for line in process.stderr.read().splitlines() if "untrained" not in line]
        assert (process.wait(60), told) == (1, [])
