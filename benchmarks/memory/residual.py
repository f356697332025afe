"""Residual nets as float32 LiteRT models, written as folded chains are, to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torchvision
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.comparators import TinyResNet
from export.integer.geometry import channels_last
from export.layout import INPUT, OUTPUT, PICTURES
from export.litert.graph import Graph
from runtimes.mcu.residual.emit import ResidualGraph
from zoo import Preprocessing


@dataclass(frozen=True)
class _Block:
    """The convolutions of a block, BatchNorms folded: one after the other, and the skip connection's if it has one."""

    name: str
    chain: tuple[nn.Conv2d, nn.Conv2d]
    projection: nn.Conv2d | None


class _Residual(ResidualGraph):
    """A model in float32."""

    def block(self, block: _Block) -> None:
        """Append a block: two convolutions, the sum with what the block was given, and a ReLU."""
        start = skip = self.point()
        first, second = block.chain
        self.layer(f"{block.name}.conv1", first, relu=True)
        self.layer(f"{block.name}.conv2", second)
        if block.projection is not None:
            computed = self.point()
            self.back_to(start)
            self.layer(f"{block.name}.projection", block.projection)
            skip = computed
        self.add(block.name, skip)

    def layer(self, name: str, conv: nn.Conv2d, *, relu: bool = False) -> None:
        """Append a convolution."""
        weight, bias = conv.weight.detach().numpy(), cast(nn.Parameter, conv.bias).detach().numpy()
        stride, padding = int(conv.stride[0]), int(cast(int, conv.padding[0]))
        self.convolution(name, channels_last(weight), bias, stride=stride, padding=padding, relu=relu)


def emit_residual(net: nn.Module, preprocessing: Preprocessing) -> Graph:
    """Return the model of a torchvision ResNet of basic blocks, or of a `TinyResNet`, in eval mode.

    Its input and normalization are those of `export.litert.float32.emit_float32`.

    Raises:
        ValueError: it is neither.
    """
    size = preprocessing.size
    graph = _Residual(PICTURES, (1, size, size, len(preprocessing.mean)), np.float32)
    mean, std = (np.array(values) for values in (preprocessing.mean, preprocessing.std))
    graph.normalization(INPUT, (1 / std).astype(np.float32), (-mean / std).astype(np.float32))
    if isinstance(net, torchvision.models.ResNet):
        graph.layer("conv", fuse_conv_bn_eval(net.conv1, net.bn1), relu=True)
        graph.max_pool("pool", 3, 2, 1)
        stages = [net.layer1, net.layer2, net.layer3, net.layer4]
    elif isinstance(net, TinyResNet):
        graph.layer("conv", fuse_conv_bn_eval(net.conv, net.bn), relu=True)
        stages = [net.blocks]
    else:
        raise ValueError(f"a {type(net).__name__} cannot be written; torchvision's ResNets and TinyResNet can")
    for block in _blocks(stages):
        graph.block(block)
    graph.mean("avg_pool")
    weight, bias = (one.detach().numpy() for one in (net.fc.weight, net.fc.bias))
    graph.convolution("fc", channels_last(weight[:, :, None, None]), bias)
    graph.flatten(OUTPUT)
    return graph


def _blocks(stages: list[nn.Sequential]) -> Iterator[_Block]:
    for number, stage in enumerate(stages):
        for name, block in stage.named_children():
            parts = cast(Any, block)
            chain = fuse_conv_bn_eval(parts.conv1, parts.bn1), fuse_conv_bn_eval(parts.conv2, parts.bn2)
            projection: Any = getattr(parts, "downsample", None) or getattr(parts, "projection", None)
            if isinstance(projection, nn.Sequential):  # torchvision's
                projection = fuse_conv_bn_eval(cast(nn.Conv2d, projection[0]), cast(Any, projection[1]))
            yield _Block(f"stage{number}.{name}", chain, projection)
