"""The memory of activations: the page is made of its figures, and residual nets are written as they compute."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from benchmarks.comparators import TinyResNet
from benchmarks.memory.__main__ import NETS, SETTINGS
from benchmarks.memory.page import COLUMNS, PAIRS, page
from benchmarks.memory.residual import emit_residual
from export.litert.interpreter import Interpreter
from zoo import get_spec
from zoo.preprocessing import CIFAR, IMAGENET, Preprocessing

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULT = json.loads((DOCS / "memory.json").read_text(encoding="utf-8"))


def test_the_page_is_made_of_the_figures() -> None:
    assert (DOCS / "memory.md").read_text(encoding="utf-8") == page(RESULT)


def test_every_net_was_measured_in_every_way() -> None:
    assert RESULT["nets"].keys() == NETS.keys() == {name for pair in PAIRS for name in pair}
    assert SETTINGS.keys() == COLUMNS.keys() and RESULT["rounds"] >= 3
    for name, net in NETS.items():
        assert [*RESULT["nets"][name]] == [str(batch) for batch in net.batches]
        assert all(cells.keys() == COLUMNS.keys() for cells in RESULT["nets"][name].values())


def test_what_the_page_says_of_each_runtime() -> None:
    """Its sentences are written by hand around the figures: they hold as long as the figures do this."""
    for chain, residual in PAIRS[:2]:
        for batch in RESULT["nets"][chain]:
            ratio = {key: RESULT["nets"][chain][batch][key] / RESULT["nets"][residual][batch][key] for key in COLUMNS}
            assert 0.9 < ratio["onnx"] < 1.1 and ratio["onnx_arena"] < 0.95 and ratio["litert"] < 1.05
    chain, residual = (RESULT["nets"][name]["32"] for name in PAIRS[-1])
    assert chain["onnx"] < 0.8 * residual["onnx"] and chain["litert"] < 0.8 * residual["litert"]


@pytest.mark.parametrize(
    ("build", "preprocessing"),
    [(torchvision.models.resnet18, IMAGENET), (lambda: TinyResNet(get_spec("diracnet10_cifar")), CIFAR)],
    ids=["torchvision", "tiny"],
)
def test_a_residual_net_computes_the_same_in_litert(
    build: Callable[[], nn.Module], preprocessing: Preprocessing, randomised: Callable
) -> None:
    torch.manual_seed(0)
    net = randomised(build())
    size = preprocessing.size
    pixels = torch.randint(0, 256, (1, 3, size, size), dtype=torch.uint8)
    with torch.inference_mode():
        expected = net(preprocessing.normalize(pixels)).numpy()
    model = Interpreter(emit_residual(net, preprocessing).to_bytes())
    found = model.run(pixels.permute(0, 2, 3, 1).numpy().astype(np.float32) / np.float32(255))
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_other_nets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a Sequential cannot be written; torchvision's ResNets and TinyResNet can"):
        emit_residual(nn.Sequential(), CIFAR)
