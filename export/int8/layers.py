"""A folded net as the quantizer sees it: its layers with weights, what stands between them, and their equalization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.folding.chain import leaves
from export.int8.record import LEVELS, Quantization
from export.layout import INPUT
from zoo import NCReLU

_LARGEST_GAIN = 64.0
_ROUNDING = 1e-3  # of folding on another processor, in steps


@dataclass(frozen=True)
class Layer:
    """A convolution or the classifier, with what stands between it and the layer before.

    Args:
        name: in the net's state dict.
        module: the layer as it stands in the net.
        before: the activations, pools and Flatten in front of it, in order of execution.
        kernel: (out, in, …) in float64, for the inputs that `gather` makes.
        bias: (out,) in float64.
    """

    name: str
    module: nn.Conv2d | nn.Linear
    before: tuple[nn.Module, ...]
    kernel: Tensor
    bias: Tensor

    @property
    def pooled(self) -> bool:
        """Whether the global average pool stands in front."""
        return any(isinstance(module, nn.AdaptiveAvgPool2d) for module in self.before)

    def gather(self, values: Tensor) -> Tensor:
        """Map what the layer before computed to this layer's input; its average pool and all behind it excepted.

        An NCReLU is taken as x → (x, max(x, 0)), which holds the same as (max(x, 0), min(x, 0)) on one grid.
        """
        for module in self.before:
            if isinstance(module, NCReLU):
                values = torch.cat((values, values.clamp_min(0)), dim=1)
            elif isinstance(module, (nn.ReLU, nn.MaxPool2d)):
                values = module(values)
        return values

    def compute(self, values: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Apply this layer with other weights, in the precision of the values."""
        kernel, bias = kernel.to(values.dtype), bias.to(values.dtype)
        if isinstance(self.module, nn.Linear):
            return F.linear(values, kernel, bias)
        return F.conv2d(values, kernel, bias, self.module.stride, self.module.padding, self.module.dilation)


@torch.no_grad()
def layers(folded: nn.Sequential) -> tuple[Layer, ...]:
    """Return the layers of a folded net in order of execution.

    Raises:
        ValueError: the net is no chain from a convolution over one average pool to a linear layer, or a layer has
            groups or no bias.
    """
    found: list[Layer] = []
    before: list[nn.Module] = []
    for name, module in leaves(folded):
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            before.append(module)
            continue
        if getattr(module, "groups", 1) != 1 or module.bias is None:
            raise ValueError(f"{name}: only layers with a bias and one group can be quantized, not {module}")
        kernel = module.weight.detach().double()
        if any(isinstance(part, NCReLU) for part in before):
            # A·max(x, 0) + B·min(x, 0) = B·x + (A - B)·max(x, 0). What the delta of version 1 puts into A and B alike
            # cancels in the second half.
            positive, negative = kernel.chunk(2, dim=1)
            kernel = torch.cat((negative, positive - negative), dim=1)
        found.append(Layer(name, module, tuple(before), kernel, module.bias.detach().double()))
        before = []
    if not found or before or not found[-1].pooled or not isinstance(found[-1].module, nn.Linear) or found[0].before:
        raise ValueError("only a folded net can be quantized: convolutions, an average pool and a linear layer")
    return tuple(found)


def run(chain: Sequence[Layer], values: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the logits of a batch, and for each layer but the last its largest absolute output per channel."""
    largest = {}
    for layer, following in zip(chain, [*chain[1:], None], strict=True):
        values = layer.compute(values, layer.kernel, layer.bias)
        if following is not None:
            values = following.gather(values)
            largest[layer.name] = values.abs().amax((0, 2, 3))[: len(layer.bias)]
            values = values.mean((2, 3)) if following.pooled else values
    return values, largest


def equalizing_gains(chain: Sequence[Layer], largest: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return gains that balance, channel by channel, the values on a grid and the weights that meet them.

    A grid's step is that of its largest channel, and a filter's step that of its largest weight, so channels should
    reach equally far and weights be equally large. The gain sqrt(weights / values) gives both half of what they want.

    Args:
        chain: a net's layers.
        largest: for each layer but the last its largest absolute output per channel.

    Returns:
        For each of these layers a factor per channel, float32.
    """
    gains = {}
    for layer, following in pairwise(chain):
        channels = len(layer.bias)
        # An NCReLU in front of the following layer has doubled the channels; both halves get the same gain.
        columns = following.kernel.flatten(2) if following.kernel.ndim > 2 else following.kernel[..., None]
        weights = columns.square().mean((0, 2)).reshape(-1, channels).mean(0).sqrt()
        balance = (weights / largest[layer.name].double()).sqrt()
        # Channels that are always zero, or that nothing reads, stay as they are.
        usable = balance.isfinite() & (balance > 0)
        middle = balance[usable].median() if usable.any() else torch.tensor(1.0)
        relative = (balance / middle).clamp(1 / _LARGEST_GAIN, _LARGEST_GAIN)
        gains[layer.name] = torch.where(usable, relative, 1.0).float()
    return gains


def equalize(chain: Sequence[Layer], gains: Mapping[str, Tensor]) -> tuple[Layer, ...]:
    """Return a chain whose channels are scaled and which computes the same (Nagel et al., arXiv 1906.04721).

    ReLU and pools commute with positive factors, so a channel may leave its layer larger if the next layer's weights
    for it are smaller.

    Args:
        chain: a net's layers.
        gains: for layers by name the factors, above zero, by which their channels are scaled; others stay.
    """
    scaled = []
    inputs = torch.ones(1, dtype=torch.float64)
    for layer in chain:
        outputs = gains.get(layer.name, torch.ones(len(layer.bias))).double()
        if len(inputs) > 1:
            inputs = inputs.repeat(layer.kernel.shape[1] // len(inputs))
        shape = [1] * (layer.kernel.ndim - 2)
        kernel = layer.kernel * outputs.reshape(-1, 1, *shape) / inputs.reshape(1, -1, *shape)
        scaled.append(replace(layer, kernel=kernel, bias=layer.bias * outputs))
        inputs = outputs
    return tuple(scaled)


def misfits(record: Quantization, folded: nn.Sequential) -> Iterator[str]:
    """Yield a phrase for each part of a record that is not of a quantization of this net.

    Every whole number lies within one step of the weight that it stands for, or at the end of the scale.
    """
    chain = layers(folded)
    expected = {INPUT, *(layer.name for layer in chain[:-1])}
    expected |= {name for name, module in leaves(folded) if isinstance(module, nn.AdaptiveAvgPool2d)}
    if record.grids.keys() != expected or list(record.layers) != [layer.name for layer in chain]:
        yield "the quantization has other layers or grids than the net"
        return
    for layer in chain:
        found = record.layers[layer.name]
        if found.weight.shape != layer.kernel.shape:
            yield f"the quantization's weight of {layer.name} has another shape than the net's"
            return
    gains = {name: torch.from_numpy(layer.gain) for name, layer in record.layers.items()}
    for layer in equalize(chain, gains):
        found = record.layers[layer.name]
        scale = torch.from_numpy(found.scale).double().reshape(-1, *[1] * (layer.kernel.ndim - 1))
        exact = (layer.kernel / scale).clamp(-LEVELS, LEVELS)
        furthest = (torch.from_numpy(found.weight).double() - exact).abs().max().item()
        if not furthest <= 1 + _ROUNDING:
            yield f"the quantization's weight of {layer.name} is up to {furthest:.1f} steps from the net's"
