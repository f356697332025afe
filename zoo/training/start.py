"""The net that a training run starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from torch import nn

from zoo.checkpoint import Checkpoint
from zoo.conv import DiracConv2d
from zoo.network import DiracNet
from zoo.spec import Spec
from zoo.training.recipes import Recipe


def fresh(build: Callable[[Spec], nn.Module], spec: Spec, recipe: Recipe) -> nn.Module:
    """Return a new net, its Dirac layers' beta as the recipe says."""
    net = build(spec)
    if recipe.beta:
        for module in net.modules():
            if isinstance(module, DiracConv2d):
                nn.init.constant_(module.beta, recipe.beta)
    return net


def trained_before(init: Checkpoint, spec: Spec, recipe: Recipe) -> DiracNet:
    """Return the net of a checkpoint, its last layer new where the classes are others.

    Raises:
        ValueError: it is not the net that the recipe asks for, or the recipe says what only a new net can have.
    """
    if recipe.beta:
        raise ValueError(f"beta={recipe.beta}: the weights to start from have betas of their own; leave it at 0")
    if init.form != "dirac":
        raise ValueError(f"a {init.form} net cannot be trained on as one; start from weights in dirac form")
    if replace(init.spec, num_classes=spec.num_classes) != spec:
        raise ValueError(f"the weights to start from are those of {init.spec}, the recipe and the data ask for {spec}")
    net = cast(DiracNet, init.model())
    if init.spec.num_classes != spec.num_classes:
        net.reset_classifier(spec.num_classes)
    return net
