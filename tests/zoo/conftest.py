"""What several tests of training share."""

import pytest

from zoo.training.data import Dataset
from zoo.training.sources import load_dataset


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")
