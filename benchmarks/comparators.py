"""Nets to compare a DiracNet with: the same net without the identity, and ResNets and a RepVGG of its shape."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models import DiracNet
from zoo.nets.conv import DiracConv2d, plain_conv
from zoo.nets.spec import Spec


def plain(spec: Spec) -> DiracNet:
    """Return the DiracNet of a spec with stock convolutions in place of the Dirac ones, initialised as they are."""
    net = DiracNet(spec)
    for name, module in list(net.named_modules()):
        if isinstance(module, DiracConv2d):
            net.set_submodule(name, plain_conv(module, module.weight, None))
    return net


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, each after BatchNorm and ReLU, with a skip connection around both.

    Source: He et al., "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027), figure 4e.

    (batch, in_channels, h, w) → (batch, channels, h / stride, w / stride).
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        changes = stride != 1 or in_channels != channels
        self.projection = nn.Conv2d(in_channels, channels, 1, stride, bias=False) if changes else None

    def forward(self, input: Tensor) -> Tensor:
        x = F.relu(self.bn1(input))
        skip = input if self.projection is None else self.projection(x)
        x = self.conv1(x)
        y: Tensor = skip + self.conv2(F.relu(self.bn2(x)))
        return y


class ResNet(nn.Module):
    """The pre-activation ResNet of a DiracNet's depth and width; in the CIFAR family it is a Wide ResNet.

    Stem, groups, channels and classifier are those of the DiracNet, and so is the number of 3×3 convolutions; each
    pair of them makes a block. Convolutions of stride 2 replace the pools between groups. The spec's version
    decides how it is trained, not its structure.

    Source: Zagoruyko and Komodakis, "Wide Residual Networks" (arXiv 1605.07146), table 1.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        stem, groups = spec.stem, spec.groups
        channels = groups[0].in_channels
        size, stride = stem.kernel_size, stem.stride
        self.conv = nn.Conv2d(spec.in_channels, channels, size, stride, padding=size // 2, bias=False)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if stem.stem_pool else nn.Identity()
        blocks: list[tuple[str, nn.Module]] = []
        for number, group in enumerate(groups):
            for index in range(group.blocks // 2):
                first = ResidualBlock(channels, group.channels, stride=2 if number and not index else 1)
                blocks.append((f"group{number}block{index}", first))
                channels = group.channels
        self.blocks = nn.Sequential(OrderedDict(blocks))
        self.bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, spec.num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        """Return the logits, (batch, num_classes)."""
        x = F.relu(self.bn(self.blocks(self.pool(self.conv(input)))))
        logits: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return logits


class _TinyBlock(nn.Module):
    """Two 3×3 convolutions with BatchNorm, and a skip connection around both, added before the last ReLU.

    (batch, in_channels, h, w) → (batch, channels, h / stride, w / stride).
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        changes = stride != 1 or in_channels != channels
        self.projection = nn.Conv2d(in_channels, channels, 1, stride) if changes else None

    def forward(self, input: Tensor) -> Tensor:
        skip = input if self.projection is None else self.projection(input)
        return F.relu(skip + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(input))))))


class TinyResNet(nn.Module):
    """The ResNet for pictures of 32×32 with 16, 32 and 64 channels: ResNet-8 with 1 block a stage, ResNet-20 with 3.

    ResNet-8 is the net of MLPerf Tiny's image classification, the standard task of microcontrollers. Of the spec only
    the channels of the picture and the classes count.

    Sources: He et al., "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), section 4.2; Banbury et al.,
    "MLPerf Tiny Benchmark" (arXiv 2106.07597). The skip connections that change shape are convolutions of 1×1, as in
    MLPerf Tiny.
    """

    def __init__(self, spec: Spec, blocks: int = 1) -> None:
        super().__init__()
        self.spec = spec
        self.conv = nn.Conv2d(spec.in_channels, 16, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        channels = 16
        stages: list[tuple[str, nn.Module]] = []
        for number, width in enumerate((16, 32, 64)):
            for index in range(blocks):
                block = _TinyBlock(channels, width, stride=2 if number and not index else 1)
                stages.append((f"stage{number}block{index}", block))
                channels = width
        self.blocks = nn.Sequential(OrderedDict(stages))
        self.fc = nn.Linear(channels, spec.num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        """Return the logits, (batch, num_classes)."""
        x = self.blocks(F.relu(self.bn(self.conv(input))))
        logits: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return logits


def resnet20(spec: Spec) -> TinyResNet:
    """Return ResNet-20 for the pictures and classes of a spec."""
    return TinyResNet(spec, blocks=3)


class RepVGGBlock(nn.Module):
    """A 3×3 convolution beside one of 1×1, and beside the identity where the shape allows; a BatchNorm after each.

    Folded, it is a 3×3 convolution with a bias and a ReLU. Source: Ding et al., "RepVGG" (arXiv 2101.03697), figure 4.

    (batch, in_channels, h, w) → (batch, channels, h / stride, w / stride).
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.bn = nn.BatchNorm2d(channels) if stride == 1 and in_channels == channels else None

    def forward(self, input: Tensor) -> Tensor:
        x = self.bn3(self.conv3(input)) + self.bn1(self.conv1(input))
        return F.relu(x if self.bn is None else x + self.bn(input))


class RepVGG(nn.Module):
    """The RepVGG whose folded form has the layers, channels and multiply-adds of a folded DiracNet of the CIFAR family.

    Convolutions of stride 2 replace the pools between groups. The spec's version decides how it is trained, not its
    structure. Source: Ding et al., "RepVGG: Making VGG-style ConvNets Great Again" (arXiv 2101.03697), section 3.

    Raises:
        ValueError: the spec is of another family, whose first layer is no 3×3 convolution.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        if spec.family != "cifar":
            raise ValueError(f"{spec.name}: a RepVGG begins with a 3×3 convolution, as the CIFAR family does")
        self.spec = spec
        channels = spec.groups[0].in_channels
        blocks: list[tuple[str, nn.Module]] = [("stem", RepVGGBlock(spec.in_channels, channels))]
        for number, group in enumerate(spec.groups):
            for index in range(group.blocks):
                block = RepVGGBlock(channels, group.channels, stride=2 if number and not index else 1)
                blocks.append((f"group{number}block{index}", block))
                channels = group.channels
        self.blocks = nn.Sequential(OrderedDict(blocks))
        self.fc = nn.Linear(channels, spec.num_classes)

    def forward(self, input: Tensor) -> Tensor:
        """Return the logits, (batch, num_classes)."""
        logits: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(self.blocks(input), 1), 1))
        return logits


COMPARATORS = {"plain": plain, "resnet": ResNet, "resnet8": TinyResNet, "resnet20": resnet20, "repvgg": RepVGG}
"""The nets that `python -m benchmarks.paper beside` can train to compare with a DiracNet."""
