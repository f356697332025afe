"""The folded DiracNet: the plain `nn.Sequential` of a Spec, in which Dirac layers and BatchNorms are folded."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from zoo.nets.conv import NCReLU
from zoo.nets.spec import Spec


def plain(spec: Spec) -> nn.Sequential:
    """Return the folded architecture with fresh weights: convolutions with bias, (NC)ReLU, pools, one linear layer.

    (batch, in_channels, height, width) → logits (batch, num_classes), for any size of at least `spec.min_size`.
    Only stock modules (and `NCReLU` in version 1), named as in the printout of the article of 2017-11-14; its groups
    and blocks are nested Sequentials because PyTorch no longer allows dots in names. The state dict's keys
    (`conv.weight`, `group0.block0.conv.bias`, …) are those of upstream's folded files of version 1.

    Example:
        >>> import zoo
        >>> list(dict(zoo.plain(zoo.Spec(depth=10, family="cifar")).named_children()))
        ['conv', 'group0', 'max_pool1', 'group1', 'max_pool2', 'group2', 'relu', 'avg_pool', 'view', 'fc']
    """
    if not isinstance(spec, Spec):
        raise TypeError(f"expected a zoo.Spec, got {type(spec).__name__}; zoo.get_spec(name) gives that of a name")
    stem, ncrelu = spec.stem, spec.block.ncrelu
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(
        spec.in_channels,
        spec.groups[0].in_channels,
        stem.kernel_size,
        stride=stem.stride,
        padding=stem.kernel_size // 2,
    )
    if stem.stem_relu and ncrelu:  # before a ReLU it would be idempotent and is left out
        layers["stem_relu"] = nn.ReLU()
    if stem.stem_pool:
        layers["max_pool0"] = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
    for index, group in enumerate(spec.groups):
        if index > 0:
            layers[f"max_pool{index}"] = nn.MaxPool2d(kernel_size=2)
        blocks = ((f"block{b}", _block(ncrelu, width, group.channels)) for b, width in enumerate(group.inputs))
        layers[f"group{index}"] = nn.Sequential(OrderedDict(blocks))
    if spec.final_relu:
        layers["relu"] = nn.ReLU()
    layers["avg_pool"] = nn.AdaptiveAvgPool2d(1)
    layers["view"] = nn.Flatten(1)
    layers["fc"] = nn.Linear(spec.groups[-1].channels, spec.num_classes)
    return nn.Sequential(layers)


def _block(ncrelu: bool, in_channels: int, channels: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["ncrelu" if ncrelu else "relu"] = NCReLU() if ncrelu else nn.ReLU()
    layers["conv"] = nn.Conv2d(in_channels * (2 if ncrelu else 1), channels, kernel_size=3, padding=1)
    return nn.Sequential(layers)
