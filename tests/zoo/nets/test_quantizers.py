"""PyTorch's quantizers on layers with Dirac kernels: the right numbers, or an error that says to fold first."""

import re
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx, prepare_qat_fx

import export
import zoo

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
IMAGES = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
BACKEND = "fbgemm"
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "layer": lambda: zoo.DiracConv2d(4, 4, 3, padding=1),
    "parametrized": lambda: zoo.dirac(nn.Conv2d(4, 4, 3, padding=1)),
}


def eager(net: nn.Module) -> nn.Module:
    whole = nn.Sequential(quantization.QuantStub(), net, quantization.DeQuantStub()).eval()
    whole.qconfig = quantization.get_default_qconfig(BACKEND)
    prepared = quantization.prepare(whole)
    prepared(IMAGES)
    return quantization.convert(prepared)


def fx(net: nn.Module) -> nn.Module:
    prepared = prepare_fx(net.eval(), quantization.get_default_qconfig_mapping(BACKEND), (IMAGES,))
    prepared(IMAGES)
    return convert_fx(prepared)


def qat(net: nn.Module) -> nn.Module:
    prepared = prepare_qat_fx(net.train(), quantization.get_default_qat_qconfig_mapping(BACKEND), (IMAGES,))
    prepared(IMAGES)
    return convert_fx(prepared.eval())


@pytest.mark.parametrize("norm", [False, True], ids=["alone", "with BatchNorm"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("quantize", [eager, fx, qat])
def test_right_numbers_or_an_error(quantize: Callable, layer: str, norm: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(LAYERS[layer](), *([nn.BatchNorm2d(4)] if norm else []), nn.ReLU()).eval()
    folded = export.fold(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.testing.assert_close(quantize(folded)(IMAGES), folded(IMAGES), rtol=0, atol=0.1)
        expected = net(IMAGES)
        try:
            answer = quantize(net)(IMAGES)
        except RuntimeError as error:
            assert re.search(r"(?s)(Dirac|Parametrized)Conv2d\(.*export\.fold\(net\)", str(error))
        else:
            torch.testing.assert_close(answer, expected, rtol=0, atol=0.1)
