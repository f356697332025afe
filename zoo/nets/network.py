"""The network of a `Spec` in its training form: Dirac convolutions, each followed by a BatchNorm."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any, cast

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nets.conv import DiracConv2d, NCReLU, draw_weight
from zoo.nets.spec import Spec


@torch.fx.wrap
def _check_size(height: int, width: int, smallest: int) -> None:
    """Raise ValueError for pictures that pooling would reduce to nothing. A leaf to torch.fx."""
    if cast(Any, torch.jit).is_tracing():  # a trace drops checks, and warns about them
        return
    if height < smallest or width < smallest:
        raise ValueError(
            f"pictures of {height}×{width} pixels are too small: this net's poolings need at least "
            f"{smallest}×{smallest}; enlarge the pictures, or use a net of the cifar family"
        )


class Block(nn.Module):
    """(NC)ReLU → Dirac convolution 3×3 → BatchNorm: (batch, in_channels, h, w) → (batch, channels, h, w)."""

    def __init__(self, spec: Spec, in_channels: int, channels: int) -> None:
        super().__init__()
        kind = spec.block
        self.act = NCReLU() if kind.ncrelu else nn.ReLU()
        self.conv = DiracConv2d(
            in_channels * (2 if kind.ncrelu else 1),
            channels,
            kernel_size=3,
            padding=1,
            bias=False,
            scale=kind.scale,
            delta=kind.delta,
        )
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, input: Tensor) -> Tensor:
        return cast(Tensor, self.bn(self.conv(self.act(input))))


class Network(nn.Module):
    """The net that a `Spec` describes, ready to be trained (arXiv 1706.00388, section 3; upstream models/diracnet.py).

    (batch, in_channels, height, width) → logits (batch, num_classes), for any height and width of at least
    `spec.min_size`. The state dict's names are `conv`, `bn`, `groupG.blockB.conv`, `groupG.blockB.bn` and `fc`.
    `zoo.DiracNet` is this net with the means to share it through the Hugging Face Hub.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        if not isinstance(spec, Spec):
            raise TypeError(f"expected a zoo.Spec, got {type(spec).__name__}; zoo.get_model(name) takes a name")
        self.spec = spec
        stem, groups = spec.stem, spec.groups
        self.conv = nn.Conv2d(
            spec.in_channels,
            groups[0].in_channels,
            stem.kernel_size,
            stride=stem.stride,
            padding=stem.kernel_size // 2,
            bias=False,
        )
        draw_weight(self.conv.weight)
        self.bn = nn.BatchNorm2d(groups[0].in_channels)
        for index, group in enumerate(groups):
            blocks = ((f"block{b}", Block(spec, width, group.channels)) for b, width in enumerate(group.inputs))
            self.add_module(f"group{index}", nn.Sequential(OrderedDict(blocks)))
        self.fc = nn.Linear(groups[-1].channels, spec.num_classes)

    def forward_features(self, input: Tensor) -> Tensor:
        """Return the last feature map, (batch, channels, h, w), as the average pool receives it.

        Raises:
            ValueError: the pictures are smaller than `spec.min_size`.
        """
        _check_size(input.shape[-2], input.shape[-1], self.spec.min_size)
        x = self.bn(self.conv(input))
        if self.spec.stem.stem_relu:
            x = F.relu(x)
        if self.spec.stem.stem_pool:
            x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        for index in range(len(self.spec.groups)):
            if index > 0:
                x = F.max_pool2d(x, kernel_size=2)
            x = self.get_submodule(f"group{index}")(x)
        return F.relu(x) if self.spec.final_relu else x

    def forward(self, input: Tensor) -> Tensor:
        """Return the logits, (batch, num_classes)."""
        features = self.forward_features(input)
        return cast(Tensor, self.fc(F.adaptive_avg_pool2d(features, 1).flatten(1)))

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layer by a fresh one for `num_classes` classes, with the same mode, device and dtype."""
        self.spec = replace(self.spec, num_classes=num_classes)
        weight = self.fc.weight
        fresh = nn.Linear(self.fc.in_features, num_classes, device=weight.device, dtype=weight.dtype)
        self.fc = fresh.train(self.training)
