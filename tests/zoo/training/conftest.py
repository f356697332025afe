"""What several tests of training in several processes share."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.training.data import Dataset
from zoo.training.loop import Progress, train
from zoo.training.recipes import Recipe
from zoo.training.sources import load_dataset


@pytest.fixture(scope="session")
def few_digits() -> Dataset:
    """A quarter of the digits: 22 batches of 16 pictures, as all are 22 batches of 64."""
    digits = load_dataset("digits")
    train, test = (half.split(0.25, seed=0)[1] for half in (digits.train, digits.test))
    assert len(train) // 16 == len(digits.train) // 64 == 22
    return dataclasses.replace(digits, train=train, test=test)


class PowerCutError(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def cut() -> Callable[..., None]:
    """Gives a call that trains until a step of an epoch is done, and no further."""

    def until(recipe: Recipe, data: Dataset, out: Path, epoch: int, step: int, **arguments: Any) -> None:
        def stop(progress: Progress) -> None:
            if (progress.epoch, progress.step) == (epoch, step):
                raise PowerCutError

        with pytest.raises(PowerCutError):
            train(recipe, data, out, on_step=stop, **arguments)

    return until


HEAD = """
import dataclasses, json, os, sys
from pathlib import Path

out, accumulation = Path(sys.argv[1]), int(sys.argv[2])
os.environ["HF_ASSETS_CACHE"] = f"{out}-assets"

import torch
from torch import nn
from zoo.training.loop import train
from zoo.training.recipes import RECIPES
from zoo.training.sources import load_dataset

"""
TAIL = """
how = {"precision": "float64", "accumulation": accumulation, **how}
sums = []
train(dataclasses.replace(RECIPES["digits"], **how), load_dataset("digits"), out, teacher=teacher,
      on_step=lambda p: sums.append(p.loss * p.step))
if sums:
    Path(f"{out}.json").write_text(json.dumps(sums))
"""
"""A program of a test prepares `how`, fields of the recipe, and `teacher` between the two."""


@pytest.fixture
def losses_of_halves(root: Path, tmp_path: Path) -> Callable[[str], list[list[float]]]:
    """Gives a call that runs a program in one process that accumulates two halves, and in two that share them.

    The program prepares the training; see `TAIL`. Its folder, `out`, is run1 or run2, and its cache of assets is new.
    """

    def run(program: str) -> list[list[float]]:
        (tmp_path / "program.py").write_text(HEAD + program + TAIL)
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
