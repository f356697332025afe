"""The examples in the docstrings of the int8 room give what they say."""

import doctest
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import zoo
from export import fold
from export.int8 import activation, adaround, layers, ncrelu, record
from pixels import mosaics

NAMES = {"Preprocessing": zoo.Preprocessing, "fold": fold, "np": np, "torch": torch, "zoo": zoo}


@pytest.mark.parametrize("module", [activation, adaround, layers, ncrelu, record, mosaics], ids=lambda m: m.__name__)
def test_examples(module: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    result = doctest.testmod(module, extraglobs=NAMES)
    assert result.attempted and not result.failed
