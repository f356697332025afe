"""Folding: Dirac convolutions and the BatchNorm behind them become plain convolutions with a bias.

With w the composed kernel (`zoo.dirac_weight`) and BatchNorm's gamma, beta, mean, var, eps, the folded layer has the
kernel w * s and the bias beta + (b - mean) * s, where s = gamma / sqrt(var + eps) per output channel and b is the
convolution's own bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn.utils import parametrize

from zoo import DiracConv1d, DiracConv2d, DiracConv3d, DiracNet, NCReLU, plain
from zoo.checkpoint import load_strictly
from zoo.conv import Conv, plain_conv
from zoo.parametrize import DiracParametrization

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_DIRAC_CONVS = (DiracConv1d, DiracConv2d, DiracConv3d)
_BATCH_NORM = {nn.Conv1d: nn.BatchNorm1d, nn.Conv2d: nn.BatchNorm2d, nn.Conv3d: nn.BatchNorm3d}


@dataclass(frozen=True)
class LayerError:
    """How far a folded layer is from its source, on the inputs that each got: largest difference / largest value."""

    layer: str
    error: float


def fold(model: nn.Module) -> nn.Module:
    """Return a new net that computes the same with plain convolutions.

    A `DiracNet` becomes the plain `nn.Sequential` of `zoo.plain`. In any other module every Dirac convolution (layers
    of `zoo.DiracConv*` and convolutions with the `zoo.dirac` parametrization) becomes a plain one, and every BatchNorm
    that directly follows a convolution goes into it and leaves an `nn.Identity`; the module's class stays. Folded in
    float64, stored in the model's dtype; the original is left untouched.

    Raises:
        ValueError: the model, or a layer that would be folded, is in train mode; or a layer cannot be folded, whose
            name and reason are given.
    """
    layers = {name for name, module in model.named_modules() if _is_dirac(module)}
    if not layers:
        raise ValueError(f"{type(model).__name__} has no Dirac layer, so there is nothing to fold")
    _refuse_train_mode(model)
    if _is_dirac(model):
        return _folded(cast(Conv, model))
    pairs = _find_pairs(model)
    if isinstance(model, DiracNet):
        return _fold_diracnet(model, pairs)
    # Folded layers replace originals in a copy; shared layers are replaced at every place that they stand.
    replaced: dict[int, nn.Module] = {}
    for name in layers | set(pairs):
        conv = model.get_submodule(name)
        norm = model.get_submodule(pairs[name]) if name in pairs else None
        replaced[id(conv)] = _folded(cast(Conv, conv), norm)
        if norm is not None:
            replaced[id(norm)] = nn.Identity().eval()
    # deepcopy takes what its memo holds for a copy already made, so the originals of folded layers are never copied.
    return deepcopy(model, dict(replaced))


def layer_errors(model: nn.Module, folded: nn.Module, input: Tensor) -> list[LayerError]:
    """Return, per folded layer in order of execution, how far its output is from that of its source.

    Args:
        model: the source, in eval mode.
        folded: what `fold(model)` returned, or what was loaded from a file of it.
        input: a batch for the model; both nets get it and each layer sees what its own net computed before it.
    """
    pairs = _find_pairs(model)
    names = [name for name, module in folded.named_modules() if isinstance(module, _CONVS)]
    sources = _record(model, {pairs.get(name, name) for name in names}, input)
    results = _record(folded, set(names), input)
    errors = []
    for name in results:
        source, result = sources[pairs.get(name, name)], results[name]
        largest = source.abs().max().item() or 1.0
        errors.append(LayerError(name, (source - result).abs().max().item() / largest))
    return errors


@torch.no_grad()
def _record(model: nn.Module, names: set[str], input: Tensor) -> dict[str, Tensor]:
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, args, output: outputs.update({name: output})

    hooks = [model.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        model(input)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def _is_dirac(module: nn.Module) -> bool:
    if isinstance(module, _DIRAC_CONVS):
        return True
    return parametrize.is_parametrized(module, "weight") and any(
        isinstance(part, DiracParametrization)
        for part in cast(Mapping[str, nn.ModuleList], module.parametrizations)["weight"]
    )


def _refuse_train_mode(model: nn.Module) -> None:
    training = [name for name, module in model.named_modules() if module.training and not list(module.children())]
    if training or model.training:
        where = "" if model.training else f" (its layer {training[0]} is)"
        raise ValueError(
            f"{type(model).__name__} is in train mode{where}: BatchNorm then uses each batch's own statistics, which "
            "no constant kernel can hold. Call model.eval() first"
        )


def _fold_diracnet(model: DiracNet, pairs: Mapping[str, str]) -> nn.Sequential:
    """Return the plain net of the model's spec, with the folded convolutions and the classifier of the model."""
    reference = model.fc.weight
    folded = plain(model.spec).to(device=reference.device, dtype=reference.dtype)
    state = {f"fc.{name}": tensor for name, tensor in model.fc.state_dict().items()}
    for conv, norm in pairs.items():
        layer = _folded(cast(Conv, model.get_submodule(conv)), model.get_submodule(norm))
        state |= {f"{conv}.{part}": tensor for part, tensor in layer.state_dict().items()}
    load_strictly(folded, state, f"the folded {model.spec.name}")
    return folded.eval()


@torch.no_grad()
def _folded(conv: Conv, norm: nn.Module | None = None) -> Conv:
    """Return the plain convolution that computes norm(conv(x)), or conv(x) where there is no norm."""
    # Composed in a float64 copy: rounding the kernel to float32 in between would lose digits. The copy of a
    # parametrized convolution shares its class, so its parametrization must be read, never removed.
    exact = deepcopy(conv).double()
    weight = exact.composed_weight() if isinstance(exact, _DIRAC_CONVS) else exact.weight
    bias = exact.bias
    if norm is not None:
        statistics = cast(nn.BatchNorm2d, deepcopy(norm).double())
        mean, var = cast(Tensor, statistics.running_mean), cast(Tensor, statistics.running_var)
        scale = (var + statistics.eps).rsqrt()
        if statistics.affine:
            scale = scale * statistics.weight
        bias = (0 if bias is None else bias) * scale - mean * scale
        if statistics.affine:
            bias = bias + statistics.bias
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return plain_conv(conv, weight, bias)


class _Tracer(torch.fx.Tracer):
    """Traces into users' modules, and takes PyTorch's, the Dirac layers and NCReLU for leaves."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*_CONVS, NCReLU)) or super().is_leaf_module(m, module_qualified_name)


def _find_pairs(model: nn.Module) -> dict[str, str]:
    """Return convolution → BatchNorm for all pairs in which the norm sees that convolution alone and vice versa."""
    try:
        graph = _Tracer().trace(model)
    # Any code of the user's runs under the tracer, so any error may come out.
    except Exception as error:
        raise ValueError(
            f"{type(model).__name__} cannot be folded: torch.fx cannot follow its forward ({error}). Fold the parts "
            "that it can follow, each by a call of its own"
        ) from error
    modules = dict(model.named_modules())
    for node in graph.nodes:
        owner = str(node.target).rpartition(".")[0]
        while node.op == "get_attr" and owner:
            if owner in modules and _is_dirac(modules[owner]):
                raise ValueError(
                    f"{owner} cannot be folded: the model's forward reads {node.target}, not the layer's output"
                )
            owner = owner.rpartition(".")[0]
    pairs: dict[str, set[str | None]] = {}
    sources: dict[str, set[str | None]] = {}
    for node in graph.nodes:
        if node.op != "call_module":
            continue
        module = modules[node.target]
        if isinstance(module, _CONVS):
            users = list(node.users)
            follower = users[0] if len(users) == 1 and users[0].op == "call_module" else None
            norm = follower and modules[str(follower.target)]
            fits = norm is not None and any(
                isinstance(module, conv) and isinstance(norm, kind) for conv, kind in _BATCH_NORM.items()
            )
            pairs.setdefault(str(node.target), set()).add(str(follower.target) if follower and fits else None)
        elif isinstance(module, tuple(_BATCH_NORM.values())):
            source = node.args[0] if node.args else None
            called = isinstance(source, torch.fx.Node) and source.op == "call_module"
            sources.setdefault(str(node.target), set()).add(str(cast(torch.fx.Node, source).target) if called else None)
    found = {}
    for conv, norms in pairs.items():
        (norm_name, *more) = norms
        if more or norm_name is None or sources[norm_name] != {conv}:
            continue  # a convolution shared by several norms, or the reverse: each stays a layer of its own
        if modules[norm_name].running_mean is None:
            if _is_dirac(modules[conv]):
                raise ValueError(f"{norm_name} cannot be folded into {conv}: it keeps no running statistics")
            continue
        found[conv] = norm_name
    return found
