"""Which layers of a module can be folded: its Dirac convolutions, and the BatchNorms that directly follow one."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

import torch.fx
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.utils import parametrize
from torch.optim.swa_utils import AveragedModel

from zoo import DiracConv1d, DiracConv2d, DiracConv3d, NCReLU
from zoo.nets.parametrize import DiracParametrization

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
DIRAC_CONVS = (DiracConv1d, DiracConv2d, DiracConv3d)
_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def is_dirac(module: nn.Module) -> bool:
    """Tell whether a module is a Dirac convolution, or a convolution with the `zoo.dirac` parametrization."""
    if isinstance(module, DIRAC_CONVS):
        return True
    return parametrize.is_parametrized(module, "weight") and any(
        isinstance(part, DiracParametrization)
        for part in cast(Mapping[str, nn.ModuleList], module.parametrizations)["weight"]
    )


def unwrapped(model: nn.Module) -> nn.Module:
    """Return a model without the wrappers of training: averaging, several devices or processes, a compiler.

    If there are some around parts of the model, the result is a copy in which those parts are the model's own.
    """
    while (inner := _inside(model)) is not None:
        model = inner
    if parts := {id(part): part for part in model.modules() if _inside(part) is not None}:
        # deepcopy takes what its memo holds for copies already made.
        model = deepcopy(model, {key: unwrapped(part) for key, part in parts.items()})
    return model


def _inside(module: nn.Module) -> nn.Module | None:
    """Return what a wrapper holds; None if the module is none."""
    if isinstance(module, (AveragedModel, DataParallel, DistributedDataParallel)):
        return cast(nn.Module, module.module)
    # From torch.compile; importing the class takes seconds.
    return cast(nn.Module, module._orig_mod) if type(module).__name__ == "OptimizedModule" else None


def is_norm(module: nn.Module) -> bool:
    """Tell whether a module computes what BatchNorm does in eval mode: plain, synchronized or frozen BatchNorm."""
    if isinstance(module, _BatchNorm):
        return type(module).forward in (_BatchNorm.forward, nn.SyncBatchNorm.forward)
    # If torchvision was never imported, the model has none of its layers.
    ops = sys.modules.get("torchvision.ops")
    return ops is not None and type(module) is ops.FrozenBatchNorm2d


def find_pairs(model: nn.Module) -> dict[str, str]:
    """Return convolution → BatchNorm by name, for all pairs in which neither has another partner.

    Follows `model(input)` with torch.fx on a copy; optional arguments of forward are taken at their defaults.

    Raises:
        ValueError: torch.fx cannot follow the model's forward, or a Dirac layer cannot be folded; it is named.
    """
    for name, module in model.named_modules():
        if is_dirac(module):
            _check_foldable(name, module)
    if isinstance(model, (*CONVS, *DIRAC_CONVS)):
        return {}
    graph, modules = _trace(model), dict(model.named_modules())
    read = _parameters_read(graph, modules)
    followers: dict[str, set[str | None]] = {}
    sources: dict[str, set[str | None]] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            name, module = str(node.target), modules[str(node.target)]
            if isinstance(module, (*CONVS, *DIRAC_CONVS)):
                followers.setdefault(name, set()).add(_only_user(node, modules))
            elif is_norm(module):
                sources.setdefault(name, set()).add(_source(node))
    pairs = {}
    for conv, norms in followers.items():
        (norm, *more) = norms
        # A convolution or norm with several partners stays a layer of its own.
        if more or norm is None or sources[norm] != {conv} or not _fits(modules[conv], modules[norm]):
            continue
        if {conv, norm} & read:
            continue
        if modules[norm].running_mean is None:
            if is_dirac(modules[conv]):
                raise ValueError(f"{norm} cannot be folded into {conv}: it keeps no running statistics")
            continue
        pairs[conv] = norm
    return pairs


def _trace(model: nn.Module) -> torch.fx.Graph:
    # Norms of every kind are leaves too, because a tracer cannot follow the checks inside.
    layers = (*CONVS, *DIRAC_CONVS, NCReLU, _BatchNorm)

    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return isinstance(m, layers) or is_norm(m) or super().is_leaf_module(m, module_qualified_name)

    try:
        parameters = inspect.signature(model.forward).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        # A copy, because the user's forward runs under the tracer and may keep what it sees.
        return Tracer().trace(deepcopy(model), concrete_args=defaults or None)
    # The user's code runs here, so any exception may come out.
    except Exception as error:
        raise ValueError(
            f"{type(model).__name__} cannot be folded: torch.fx cannot follow its forward ({error}). Fold the parts "
            "that it can follow, each by a call of its own (of a compiled model, fold the original)"
        ) from error


def _parameters_read(graph: torch.fx.Graph, modules: Mapping[str, nn.Module]) -> set[str]:
    """Return the modules whose parameters forward reads directly; ValueError if one of them is a Dirac layer."""
    read = set()
    for node in graph.nodes:
        # A parametrized weight is computed by a module below the layer, a plain one is an attribute.
        parametrized = node.op == "call_module" and ".parametrizations." in str(node.target)
        owner = str(node.target)
        while (node.op == "get_attr" or parametrized) and "." in owner:
            owner = owner.rpartition(".")[0]
            read.add(owner)
            if owner in modules and is_dirac(modules[owner]):
                raise ValueError(
                    f"{owner} cannot be folded: the model's forward reads {node.target}, not the layer's output"
                )
    return read


def _only_user(node: torch.fx.Node, modules: Mapping[str, nn.Module]) -> str | None:
    users = list(node.users)
    if len(users) == 1 and users[0].op == "call_module" and is_norm(modules[str(users[0].target)]):
        return str(users[0].target)
    return None


def _source(node: torch.fx.Node) -> str | None:
    source = node.args[0] if node.args else None
    return str(source.target) if isinstance(source, torch.fx.Node) and source.op == "call_module" else None


def _fits(conv: nn.Module, norm: nn.Module) -> bool:
    """Tell whether both compute what their stock classes compute."""
    dims = len(cast(nn.Conv2d, conv).kernel_size)
    any_dims = not isinstance(norm, tuple(_NORMS.values()))  # frozen ones state no number of dimensions either
    return (
        (any_dims or isinstance(norm, _NORMS[dims])) and _is_stock(conv) and not has_hooks(conv) and not has_hooks(norm)
    )


def _is_stock(conv: nn.Module) -> bool:
    kind = next(kind for kind in (*DIRAC_CONVS, *CONVS) if isinstance(conv, kind))
    methods = ("forward", "_conv_forward", *(("composed_weight",) if kind in DIRAC_CONVS else ()))
    return all(getattr(type(conv), name) is getattr(kind, name) for name in methods)


def has_hooks(module: Any) -> bool:
    """Tell whether calling a module does more than its forward."""
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def _check_foldable(name: str, layer: nn.Module) -> None:
    name = name or type(layer).__name__
    if not _is_stock(layer):
        raise ValueError(f"{name} cannot be folded: its class {type(layer).__name__} computes something of its own")
    if has_hooks(layer):
        raise ValueError(
            f"{name} cannot be folded: it has forward hooks, or a forward of its own, which would be lost; remove them"
        )
