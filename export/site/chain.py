"""A net's chain in figures: what each layer takes and gives, its weights and its multiply-adds. Nothing is computed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from export.folding.chain import leaves
from zoo import NCReLU, Spec, plain


@dataclass(frozen=True)
class Link:
    """One layer of a folded net.

    Args:
        name: its name in the net, such as "group0.block1.conv".
        kind: "conv", "pool", "mean" or "linear".
        kernel: side of its kernel in pixels; of the mean, the whole map; of the linear layer, 1.
        stride: in pixels.
        inputs: channels that it takes.
        channels: channels that it gives.
        size: height and width, in pixels, of the map that it gives.
        activation: what precedes it: "ReLU", "NCReLU" or "".
        parameters: its weights and biases.
        multiply_adds: for one picture.
    """

    name: str
    kind: str
    kernel: int
    stride: int
    inputs: int
    channels: int
    size: int
    activation: str
    parameters: int
    multiply_adds: int


def chain(spec: Spec, size: int) -> list[Link]:
    """Return the layers of a folded net in order, for pictures of `size` by `size` pixels.

    Activations are no links of their own: each stands at the layer that takes its output.

    Example:
        >>> import zoo
        >>> links = chain(zoo.get_spec("diracnet16_cifar"), 32)
        >>> links[0].channels, links[0].size, sum(link.kind == "conv" for link in links)
        (16, 32, 13)
    """
    links: list[Link] = []
    inputs, side, activation = spec.in_channels, size, ""
    with torch.device("meta"):
        layers = list(leaves(plain(spec)))
    for name, layer in layers:
        match layer:
            case nn.ReLU() | NCReLU():
                activation, inputs = (
                    ("NCReLU", inputs * 2) if isinstance(layer, NCReLU) else (activation or "ReLU", inputs)
                )
                continue
            case nn.Flatten():
                continue
            case nn.Conv2d():
                kind, kernel, stride, channels = "conv", layer.kernel_size[0], layer.stride[0], layer.out_channels
                side = (side + 2 * int(layer.padding[0]) - kernel) // stride + 1
            case nn.MaxPool2d():
                kind, kernel, stride, padding = "pool", *map(_side, (layer.kernel_size, layer.stride, layer.padding))
                channels, side = inputs, (side + 2 * padding - kernel) // stride + 1
            case nn.AdaptiveAvgPool2d():
                kind, kernel, stride, channels, side = "mean", side, 1, inputs, 1
            case nn.Linear():
                kind, kernel, stride, channels = "linear", 1, 1, layer.out_features
            case _:
                raise TypeError(f"layer {name}: a folded net has no {type(layer).__name__}")
        weights = layer.weight.numel() if isinstance(layer, nn.Conv2d | nn.Linear) else 0
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        links.append(
            Link(name, kind, kernel, stride, inputs, channels, side, activation, parameters, weights * side * side)
        )
        inputs, activation = channels, ""
    return links


def _side(value: int | tuple[int, ...]) -> int:
    """Return what PyTorch writes as a number or as one per axis, equal in our nets."""
    return value if isinstance(value, int) else value[0]
