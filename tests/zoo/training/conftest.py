"""What several tests of training in several processes share."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.training.data import Dataset
from zoo.training.sources import load_dataset


@pytest.fixture(scope="session")
def few_digits() -> Dataset:
    """A quarter of the digits: 22 batches of 16 pictures, as all are 22 batches of 64."""
    digits = load_dataset("digits")
    train, test = (half.split(0.25, seed=0)[1] for half in (digits.train, digits.test))
    assert len(train) // 16 == len(digits.train) // 64 == 22
    return dataclasses.replace(digits, train=train, test=test)


@pytest.fixture
def losses_of_halves(root: Path, tmp_path: Path) -> Callable[[str], list[list[float]]]:
    """Gives a call that runs a program in one process that accumulates two halves, and in two that share them.

    The program gets the run's folder, run1 or run2, and the accumulation; it writes the losses to RUN.json.
    """

    def run(program: str) -> list[list[float]]:
        (tmp_path / "program.py").write_text(program)
        environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        if sys.platform == "linux":
            environment["GLOO_SOCKET_IFNAME"] = "lo"  # whether or not the host's name resolves
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
        for processes, accumulation in ((1, 2), (2, 1)):
            command = [*launch, str(processes), "program.py", f"run{processes}", str(accumulation)]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return [json.loads((tmp_path / f"run{processes}.json").read_text()) for processes in (1, 2)]

    return run
