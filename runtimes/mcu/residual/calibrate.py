"""Quantizes a residual net by the rules of `export.int8.calibration`, block by block.

Weights are symmetric with a scale per filter, activations have the range of least square error, biases are corrected
and a filter's weights are rounded together, each layer given what the int8 net computes before it. Channels are
equalized inside each block, between its two 3×3 convolutions; elsewhere a skip connection forbids it. The two terms of
a sum and the sum itself have a range each.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.comparators import TinyResNet
from export.int8.activation import activation_qparams, dequantize_linear, input_qparams, quantize_linear
from export.int8.calibration import BEST, dequantized, measure_moments, quantize_layer
from export.int8.equalization import equalize, equalizing_gains
from export.int8.layers import Layer
from export.int8.record import QParams, Quantization, QuantizedLayer
from export.layout import INPUT
from zoo import Preprocessing

POOL = "avg_pool"
CLASSIFIER = "fc"


@dataclass(frozen=True)
class _Signal:
    """An activation on the calibration pictures: of the float net, and the int8 net's codes with their meaning."""

    exact: Tensor
    codes: Tensor
    qparams: QParams

    @classmethod
    def of(cls, exact: Tensor, computed: Tensor) -> _Signal:
        """Choose the code of an activation; `computed` are the int8 net's values before they are rounded."""
        qparams = activation_qparams(exact, BEST.clip)
        return cls(exact, quantize_linear(computed, qparams), qparams)

    @property
    def values(self) -> Tensor:
        """What the codes stand for."""
        return dequantize_linear(self.codes, self.qparams)


@dataclass
class _Record:
    """What has been quantized so far."""

    layers: dict[str, QuantizedLayer] = field(default_factory=dict)
    activations: dict[str, QParams] = field(default_factory=dict)

    def convolve(self, layer: Layer, taken: _Signal, *, relu: bool) -> _Signal:
        """Quantize a layer and its output."""
        moments = measure_moments(layer, taken.exact, taken.codes, taken.qparams)
        made = self.layers[layer.name] = quantize_layer(layer, taken.qparams, moments, BEST)
        exact = layer.compute(taken.exact, layer.kernel, layer.bias)
        computed = layer.compute(taken.values, *dequantized(made, taken.qparams))
        return self.keep(layer.name, exact, computed, relu=relu)

    def keep(self, name: str, exact: Tensor, computed: Tensor, *, relu: bool = False) -> _Signal:
        """Quantize an activation."""
        given = _Signal.of(exact.relu() if relu else exact, computed.relu() if relu else computed)
        self.activations[name] = given.qparams
        return given

    def block(self, name: str, block: nn.Module, taken: _Signal) -> _Signal:
        """Quantize a block, whose sum has the block's name."""
        first, second, projection = block_layers(name, block)
        largest = first.compute(taken.exact, first.kernel, first.bias).relu().amax((0, 2, 3))
        first, second = equalize((first, second), equalizing_gains((first, second), {first.name: largest}))
        middle = self.convolve(first, taken, relu=True)
        last = self.convolve(second, middle, relu=False)
        skip = taken if projection is None else self.convolve(projection, taken, relu=False)
        return self.keep(name, last.exact + skip.exact, last.values + skip.values, relu=True)


def folded_residual(net: TinyResNet) -> TinyResNet:
    """Return a net that computes the same and has its BatchNorms in its convolutions; `export.fold` folds DiracNets."""
    folded = deepcopy(net).eval()
    for parent in (folded, *folded.blocks.children()):
        for name, module in list(parent.named_children()):
            if isinstance(module, nn.BatchNorm2d):
                before = name.replace("bn", "conv")
                conv = cast(nn.Conv2d, parent.get_submodule(before))
                parent.set_submodule(before, fuse_conv_bn_eval(conv, module))
                parent.set_submodule(name, nn.Identity())
    return folded


@torch.no_grad()
def calibrate_residual(
    folded: TinyResNet, pictures: Tensor, preprocessing: Preprocessing, origin: dict[str, Any]
) -> Quantization:
    """Return the record of a residual net's int8 form.

    Args:
        folded: the net, in eval mode, from `folded_residual`.
        pictures: uint8, (n, height, width, channels).
        preprocessing: how they become the net's input.
        origin: what is known of the pictures, for the record.
    """
    record = _Record()
    exact = preprocessing.normalize(pictures.permute(0, 3, 1, 2))
    qparams = record.activations[INPUT] = input_qparams(preprocessing)
    signal = _Signal(exact, quantize_linear(exact, qparams), qparams)
    signal = record.convolve(layer_of("conv", folded.conv), signal, relu=True)
    for name, block in folded.blocks.named_children():
        signal = record.block(name, block, signal)
    pooled = record.keep(POOL, signal.exact.mean((2, 3)), signal.values.mean((2, 3)))
    classifier = layer_of(CLASSIFIER, folded.fc)
    moments = measure_moments(classifier, pooled.exact, pooled.codes, pooled.qparams)
    record.layers[CLASSIFIER] = quantize_layer(classifier, pooled.qparams, moments, BEST)
    return Quantization(record.layers, record.activations, {**origin, "method": asdict(BEST)})


def layer_of(name: str, module: nn.Module) -> Layer:
    """Return a convolution or linear layer as the quantizer sees it."""
    if not isinstance(module, (nn.Conv2d, nn.Linear)) or module.bias is None:
        raise ValueError(f"{name}: {module} is no layer with a bias; fold the net first")
    return Layer(name, module, (), module.weight.detach().double(), module.bias.detach().double())


def block_layers(name: str, block: nn.Module) -> tuple[Layer, Layer, Layer | None]:
    """Return the layers of a block: two convolutions, and the projection if there is one."""
    first, second = (layer_of(f"{name}.{part}", block.get_submodule(part)) for part in ("conv1", "conv2"))
    projection = getattr(block, "projection", None)
    return first, second, None if projection is None else layer_of(f"{name}.projection", projection)
