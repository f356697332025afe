"""Nets and bundles that several tests of export share; a file may have a `source` of its own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from export import export_bundle
from zoo import Checkpoint, build_from
from zoo.reference import open_model

NAME = "diracnet10_cifar"


@pytest.fixture(scope="session")
def randomised_checkpoint(randomised: Callable) -> Callable[[str], Checkpoint]:
    """Give a call that makes a net's checkpoint with randomised BatchNorm statistics and labels."""

    def make(name: str) -> Checkpoint:
        checkpoint, _ = open_model(name)
        labels = tuple(f"label {index}" for index in range(10))
        return replace(checkpoint, tag="mine", labels=labels, state=randomised(build_from(checkpoint)).state_dict())

    return make


@pytest.fixture
def source(randomised_checkpoint: Callable[[str], Checkpoint]) -> Checkpoint:
    return randomised_checkpoint(NAME)


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("untrained") / "bundle"
    export_bundle(open_model(NAME)[0], out)
    return out
