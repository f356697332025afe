"""Nets and bundles that several tests of export share; a file may have a `source` of its own."""

import io
import json
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from export import export_bundle, fold
from export.__main__ import main
from export.int8.calibration import PLAIN, calibrate
from export.int8.record import Quantization
from pixels.mosaics import mosaics
from zoo import Checkpoint, DiracNet, Preprocessing, Spec, build_from
from zoo.preprocessing import CIFAR
from zoo.reference import open_model

NAME = "diracnet10_cifar"


class Result(NamedTuple):
    """How a command ended and what it printed, without colours."""

    status: int
    output: str
    errors: str

    @property
    def value(self) -> Any:
        return json.loads(self.output)


@pytest.fixture(scope="session")
def diracnet() -> Callable[..., Result]:
    """Give a call that runs `diracnet` in this process, which spares the seconds that importing PyTorch takes."""

    def run(*arguments: object) -> Result:
        output, errors = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
            patch.setattr(sys, "argv", ["diracnet", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
        plain = (re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue()) for text in (output, errors))
        return Result(ended.value.code or 0, *plain)

    return run


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


@dataclass(frozen=True)
class SmallNet:
    """A folded net with its record and pictures of its size."""

    spec: Spec
    net: nn.Sequential
    record: Quantization
    preprocessing: Preprocessing
    pictures: np.ndarray


GREY = Preprocessing(resize=37, size=37, interpolation="bicubic", mean=(0.3,), std=(0.4,))
SMALL = [
    (Spec(depth=10, width=0.25, family="cifar"), CIFAR),
    (Spec(depth=10, width=0.25, family="cifar", version=1, final_relu=False), CIFAR),
    (Spec(depth=18, width=1 / 16, num_classes=7, in_channels=1), GREY),  # a size that strides and pools do not divide
    (Spec(depth=18, width=1 / 16, num_classes=7, in_channels=1, version=1), GREY),
]


@pytest.fixture(scope="session", params=SMALL, ids=lambda pair: pair[0].name)
def small_net(request: pytest.FixtureRequest, randomised: Callable) -> SmallNet:
    spec, preprocessing = request.param
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = fold(randomised(DiracNet(spec)))
    size, channels = preprocessing.size, spec.in_channels
    noise = torch.from_numpy(mosaics(size, channels, (1, 4)))
    record = calibrate(net, noise, preprocessing, method=PLAIN)
    pictures = np.concatenate(
        (
            mosaics(size, channels, (2, 7)),
            np.random.default_rng(0).integers(0, 256, (1, size, size, channels), np.uint8),
        )
    )
    return SmallNet(spec, net, record, preprocessing, pictures)
