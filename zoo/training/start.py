"""The net that a training run starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models import DiracNet, build_from
from zoo.nets.conv import DiracConv2d
from zoo.nets.network import Block
from zoo.nets.spec import Spec
from zoo.training.recipes import Recipe
from zoo.weights.checkpoint import Checkpoint

_PICTURES_AT_ONCE = 4


def fresh(build: Callable[[Spec], nn.Module], spec: Spec, recipe: Recipe) -> nn.Module:
    """Return a new net with the recipe's initial beta in the Dirac layers and bias in the BatchNorms that follow them.

    A bias above zero lets more of the identity path through the next ReLU, so that a deep net without skip connections
    starts closer to a linear one (compare Martens et al., "Rapid training of deep neural networks without skip
    connections or normalization layers using Deep Kernel Shaping", 2021).
    """
    net = build(spec)
    for module in net.modules():
        if isinstance(module, DiracConv2d) and recipe.beta:
            nn.init.constant_(module.beta, recipe.beta)
        if isinstance(module, Block) and isinstance(module.conv, DiracConv2d):  # a plain net has blocks too
            nn.init.constant_(module.bn.bias, recipe.bn_bias)
    return net


def set_stem(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Initialize a net's first convolution with the principal components of its input patches, each with both signs.

    Random kernels of this size mostly respond to a patch's mean, so their outputs are largely redundant; principal
    components are uncorrelated. The BatchNorm that follows sets their scale. If there are more kernels than components
    and their negatives, the remaining ones stay random.

    Source: Page, "How to train your ResNet" (2019), and KellerJordan/cifar10-airbench, whose first layer stays fixed.

    Args:
        net: a net whose first convolution sees the input; of RepVGG's parallel ones that is the 3×3 convolution.
        batches: batches of the net's input, (batch, channels, height, width).
    """
    weight = next(module.weight for module in net.modules() if isinstance(module, nn.Conv2d))
    gram = torch.zeros(weight[0].numel(), weight[0].numel(), dtype=torch.float64)
    for images in batches:
        # A few pictures at a time: unfolded patches take as many times the memory of the pictures as a kernel has taps.
        for few in images.split(_PICTURES_AT_ONCE):
            patches = F.unfold(few, weight.shape[2:]).double()
            gram += (patches @ patches.mT).sum(dim=0)
    _, components = torch.linalg.eigh(gram)
    largest_first = components.T.flip(0).to(weight.dtype).unflatten(1, weight.shape[1:])
    kernels = torch.stack((largest_first, -largest_first), dim=1).flatten(0, 1)[: len(weight)]
    with torch.no_grad():
        weight[: len(kernels)] = kernels


def other_classes(init: Checkpoint, classes: Sequence[str]) -> bool:
    """Tell whether weights answer with other classes than these, or with the same in another order, as far as known."""
    return init.spec.num_classes != len(classes) or (bool(init.labels) and init.labels != tuple(classes))


def trained_before(init: Checkpoint, spec: Spec, recipe: Recipe, classes: Sequence[str]) -> DiracNet:
    """Return the net of a checkpoint, with a new last layer if the classes differ.

    Raises:
        ValueError: it is not the net that the recipe asks for, or the recipe sets initial values of a new net.
    """
    bare = recipe.for_trained_weights().to_dict()
    starts = [f"{name}={value!r}" for name, value in recipe.to_dict().items() if value != bare[name]]
    if starts:
        raise ValueError(
            f"{', '.join(starts)}: only a new net starts so; with weights to start from, leave that out "
            "(Recipe.for_trained_weights)"
        )
    if init.form != "dirac":
        raise ValueError(f"a {init.form} net cannot be trained on as one; start from weights in dirac form")
    if replace(init.spec, num_classes=spec.num_classes) != spec:
        raise ValueError(f"the weights to start from are those of {init.spec}, the recipe and the data ask for {spec}")
    net = cast(DiracNet, build_from(init))
    if other_classes(init, classes):
        net.reset_classifier(spec.num_classes)
    return net
