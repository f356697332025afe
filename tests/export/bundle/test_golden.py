"""Golden inputs and outputs: right, and the same bits whatever computes them."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from export import fold
from export.bundle.golden import golden
from export.folding.exact import evaluate_exactly
from export.folding.folded import FoldedNet
from zoo import Checkpoint, DiracNet, Spec
from zoo.preprocessing import CIFAR, IMAGENET

SPECS = [
    Spec(depth=10, width=0.5, family="cifar"),
    Spec(depth=10, width=0.5, family="cifar", version=1, final_relu=False),
    Spec(depth=18, width=1 / 8, num_classes=11),
]
every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


@pytest.fixture
def folded(spec: Spec, randomised: Callable) -> nn.Sequential:
    torch.manual_seed(0)
    return fold(randomised(DiracNet(spec)))


def checkpoint(spec: Spec, folded: nn.Sequential) -> Checkpoint:
    preprocessing = CIFAR if spec.family == "cifar" else IMAGENET
    return Checkpoint(form="folded", spec=spec, tag="mine", preprocessing=preprocessing, state=folded.state_dict())


def doubled(net: nn.Sequential) -> nn.Sequential:
    return copy.deepcopy(net).double()


@every_spec
def test_every_layer_is_right_to_float64s_precision(spec: Spec, folded: nn.Sequential) -> None:
    batch = torch.randn(2, spec.in_channels, 40, 33, generator=torch.Generator().manual_seed(0))
    expected: dict[str, torch.Tensor] = {}
    reference = doubled(folded)
    for name, module in reference.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, a, output, name=name: expected.update({name: output}))
    reference(batch.double())
    found = evaluate_exactly(folded, batch)
    assert list(found) == list(expected)
    for name, output in found.items():
        assert (output - expected[name]).abs().max() < 1e-10 * expected[name].abs().max(), name


def test_sums_do_not_depend_on_their_order() -> None:
    """Of a convolution with many large terms that cancel, and of a pool; plain float64 gives other bits."""
    generator = torch.Generator().manual_seed(0)
    conv, linear = nn.Conv2d(96, 8, 3, padding=1), nn.Linear(8, 5)
    net = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(1), linear).eval()
    batch = torch.randn(2, 96, 17, 19, generator=generator) * torch.logspace(-6, 6, 96).reshape(-1, 1, 1)
    plain = []
    for order in (torch.arange(96), torch.randperm(96, generator=generator), torch.arange(96).flip(0)):
        shuffled = nn.Conv2d(96, 8, 3, padding=1)
        with torch.no_grad():
            shuffled.weight.copy_(conv.weight[:, order])
            shuffled.bias.copy_(conv.bias)
        again = nn.Sequential(shuffled, *net[1:])
        for mirrored in (False, True):
            given = batch[:, order].flip(-1) if mirrored else batch[:, order]
            if mirrored:
                with torch.no_grad():
                    shuffled.weight.copy_(shuffled.weight.flip(-1))
            found = evaluate_exactly(again, given)
            assert torch.equal(found["3"], evaluate_exactly(net, batch)["3"])
            plain.append(doubled(again)(given.double()))
    assert not all(torch.equal(plain[0], other) for other in plain[1:])


def test_padding_stride_dilation_and_groups() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(4, 6, (5, 3), stride=(2, 1), padding=(0, 2), bias=False),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(6, 4, 3, dilation=2, groups=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3, bias=False),
    ).eval()
    batch = torch.randn(2, 4, 31, 28)
    expected = doubled(net)(batch.double())
    torch.testing.assert_close(evaluate_exactly(net, batch)["6"], expected, rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match="GELU is not a layer of a folded net"):
        evaluate_exactly(nn.Sequential(nn.GELU()), batch)


@every_spec
def test_what_the_file_holds(spec: Spec, folded: nn.Sequential) -> None:
    tensors = golden(FoldedNet(checkpoint(spec, folded), folded), ["group1"])
    size = 32 if spec.family == "cifar" else 224
    assert list(tensors) == ["pictures", "pixel_values", "logits", "group1"]
    pictures, pixel_values, logits, feature = tensors.values()
    assert pictures.dtype == torch.uint8 and pictures.shape == (2, size, size, 3)
    assert {tensor.dtype for tensor in (pixel_values, logits, feature)} == {torch.float32}
    preprocessing = checkpoint(spec, folded).preprocessing
    assert torch.equal(pixel_values, preprocessing.normalize(pictures.permute(0, 3, 1, 2)))
    with torch.inference_mode():
        expected = folded(pixel_values)
    assert (logits - expected).abs().max() < 1e-5 * expected.abs().max()
    assert (logits[0] - logits[1]).abs().max() > 1e-2 * expected.abs().max()  # the pictures are not alike to the net
    assert F.l1_loss(pictures[0].float(), pictures[1].float()) > 50


SCRIPT = """
import hashlib
from export.bundle.golden import golden, to_bytes
from export.folding.folded import FoldedNet
from zoo.weights.locate import load_weight
import zoo
folded = FoldedNet.of(load_weight(zoo.get_weight("diracnet16_cifar", "cifar10"), "folded"))
print(hashlib.sha256(to_bytes(golden(folded, ["group1"]))).hexdigest())
"""
MACHINES = [
    pytest.param({"ATEN_CPU_CAPABILITY": "default", "PYTHONHASHSEED": "77"}, id="no vector instructions in PyTorch"),
    pytest.param(
        {
            "OMP_NUM_THREADS": "3",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "MKL_CBWR": "COMPATIBLE",
            "OPENBLAS_CORETYPE": "Nehalem",
        },
        id="three threads and another path in BLAS",
        marks=pytest.mark.slow,
    ),
]
DIGEST = "76889387394048218d364edf23a70e62378dcc7c64903ffbcb9ddbdda67c0f32"


@pytest.mark.parametrize("settings", MACHINES)
def test_the_same_bytes_on_other_machines(settings: dict[str, str], root: Path, tmp_path: Path) -> None:
    """The digest was made once; what a processor can be told to do otherwise, it is told here."""
    environment = {**os.environ, **settings, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == DIGEST
