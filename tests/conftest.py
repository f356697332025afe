"""What several tests share."""

import os

# Two threads at most: the suite is meant to run beside other work, and repeatably.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def randomised() -> Callable[[nn.Module], nn.Module]:
    """Draws alpha, beta, biases and BatchNorm's statistics at random (gammas of both signs), in place.

    Freshly initialised nets hide errors: their gammas are one, their means zero.
    """

    def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.is_floating_point() or tensor.ndim > 1:
                continue
            drawn = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.5
            if not name.endswith("running_var"):
                signs = torch.randint(0, 2, tensor.shape, generator=generator) * 2 - 1
                drawn = drawn * signs
            with torch.no_grad():
                tensor.copy_(drawn)
        return model.eval()

    return randomise
