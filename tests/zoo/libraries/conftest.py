"""What the tests of other libraries share."""

import importlib
from types import ModuleType

import pytest
import torch

import zoo

RECORD = zoo.get_weight("diracnet16_cifar", "cifar10")


@pytest.fixture(scope="session")
def record() -> zoo.Weight:
    """Weights that the repository ships."""
    return RECORD


@pytest.fixture(scope="session")
def pictures() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def shipped() -> zoo.DiracNet:
    """Their net, built by the zoo."""
    return zoo.get_model(RECORD.model, weights=RECORD.tag)


@pytest.fixture(scope="session")
def expected(shipped: zoo.DiracNet, pictures: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return shipped(pictures)


@pytest.fixture(scope="session")
def timm() -> ModuleType:
    module = pytest.importorskip("timm", reason="timm is not installed")
    importlib.import_module("zoo.timm")
    return module
