"""Walks a folded net: its leaves in execution order, the features it can output, and the output of each module."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from zoo import NCReLU


def leaves(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield name and module of a nested Sequential's leaves, in execution order."""
    for name, child in module._modules.items():  # named_children skips a module that occurs twice
        path = f"{prefix}{name}"
        if isinstance(child, nn.Sequential):
            yield from leaves(child, f"{path}.")
        elif not isinstance(child, nn.Identity):
            yield path, child


def feature_sources(folded: nn.Sequential, features: Collection[str]) -> dict[str, str]:
    """Map each feature to the leaf that outputs it: the feature's own module, or the last leaf inside it.

    Raises:
        ValueError: the net lacks one of the features, or two of the names refer to the same output.
    """
    *inner, _ = leaves(folded)
    # The graph holds the second half of an NCReLU without its sign, and the last output is the logits.
    given = {name for name, module in inner if not isinstance(module, NCReLU)}
    ends = {}
    for path, module in folded.named_modules():
        *_, (last, _) = leaves(module, f"{path}.") if isinstance(module, nn.Sequential) else [(path, module)]
        if path and last in given:
            ends[path] = last
    unknown = [feature for feature in features if feature not in ends]
    if unknown:
        groups, parts = (", ".join(name for name in ends if ("." in name) == nested) for nested in (False, True))
        raise ValueError(f"the net has no feature {unknown[0]!r}; its features are {groups}; and inside these {parts}")
    sources = {feature: ends[feature] for feature in features}
    if len(set(sources.values())) < len(features):
        raise ValueError(f"features {', '.join(features)}: two of them are the same output; name it once")
    return sources


@torch.no_grad()
def record_outputs(model: nn.Module, names: Collection[str], input: Tensor) -> dict[str, Tensor]:
    """Return the outputs of the named modules for an input, in execution order."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, args, output: outputs.update({name: output.detach().clone()})

    hooks = [model.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        model(input)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs
