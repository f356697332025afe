"""A folded net as the quantizer sees it: its layers with weights, and what stands between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.folding.chain import leaves
from export.int8 import ncrelu
from zoo import NCReLU


@dataclass(frozen=True)
class Layer:
    """A convolution or the classifier, with what stands between it and the layer before.

    Args:
        name: in the net's state dict.
        module: the layer as it stands in the net.
        before: the activation functions, pools and Flatten in front of it, in order of execution.
        kernel: (out, in, …) in float64, for the inputs that `activate` returns.
        bias: (out,) in float64.
    """

    name: str
    module: nn.Conv2d | nn.Linear
    before: tuple[nn.Module, ...]
    kernel: Tensor
    bias: Tensor

    @property
    def live(self) -> Tensor:
        """For each filter, whether it has a weight that is not zero, (out,)."""
        return (self.kernel != 0).flatten(1).any(1)

    @property
    def pooled(self) -> bool:
        """Whether the global average pool stands in front."""
        return any(isinstance(module, nn.AdaptiveAvgPool2d) for module in self.before)

    @property
    def has_ncrelu(self) -> bool:
        """Whether an NCReLU stands in front, which doubles the channels."""
        return any(isinstance(module, NCReLU) for module in self.before)

    @property
    def has_relu(self) -> bool:
        """Whether a ReLU stands in front; it commutes with max-pools, so it may as well end the layer before."""
        return any(isinstance(module, nn.ReLU) for module in self.before)

    @property
    def max_pool(self) -> nn.MaxPool2d | None:
        """The max-pool in front, if there is one."""
        return next((module for module in self.before if isinstance(module, nn.MaxPool2d)), None)

    def activate(self, values: Tensor) -> Tensor:
        """Apply the activation functions and max-pools in front of this layer to the output of the layer before.

        An NCReLU is the rewritten one of `export.int8.ncrelu`. The average pool and the Flatten are left out, because
        the pool is quantized by itself.

        Args:
            values: (batch, channels, height, width).

        Returns:
            (batch, channels, height, width); twice the channels behind an NCReLU, and smaller pictures behind a pool.
        """
        for module in self.before:
            if isinstance(module, NCReLU):
                values = ncrelu.values(values)
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

    Example:
        >>> [layer.name for layer in layers(export.fold(zoo.get_model("diracnet10_cifar").eval()))][:2]
        ['conv', 'group0.block0.conv']
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
            kernel = ncrelu.kernel(kernel)
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
            values = following.activate(values)
            largest[layer.name] = values.abs().amax((0, 2, 3))[: len(layer.bias)]
            values = values.mean((2, 3)) if following.pooled else values
    return values, largest
