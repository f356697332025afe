"""Folding: Dirac convolutions and the BatchNorms that follow them become plain convolutions with a bias.

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
from torch import Tensor, nn

from export.folding.chain import record_outputs
from export.folding.pairing import CONVS, DIRAC_CONVS, find_pairs, has_hooks, is_dirac, is_norm, unwrapped
from zoo import DiracNet, plain
from zoo.nets.conv import Conv, allocate, plain_conv
from zoo.weights.checkpoint import load_strictly


@dataclass(frozen=True)
class LayerError:
    """The deviation of a folded layer from its source, each on its own input: largest difference / largest value."""

    layer: str
    error: float


def fold(model: nn.Module) -> nn.Module:
    """Return a new net that computes the same with plain convolutions.

    A `DiracNet` becomes the plain `nn.Sequential` of `zoo.plain`. In any other module (a subclass included) every Dirac
    convolution (layers of `zoo.DiracConv*` and convolutions with the `zoo.dirac` parametrization) becomes a plain one,
    and every BatchNorm that directly follows a convolution is merged into it and replaced by an `nn.Identity`; the
    module keeps its class. BatchNorm may be synchronized (`nn.SyncBatchNorm`) or frozen (torchvision's
    `FrozenBatchNorm2d`). For an `AveragedModel`, a `DataParallel`, a `DistributedDataParallel` or the result of
    `torch.compile`, the model inside is folded, and so are parts of a model that are wrapped in one. The result is
    valid for calls `model(input)` with optional arguments at their defaults, on batches. The weights are computed in
    float64 and stored in the model's dtype; the original is left untouched.

    Example:
        >>> import torch, zoo, export
        >>> net = zoo.get_model("diracnet10_cifar").eval()
        >>> folded = export.fold(net)
        >>> folded.group0.block0
        Sequential(
          (relu): ReLU()
          (conv): Conv2d(16, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
        )
        >>> images = torch.randn(2, 3, 32, 32)
        >>> torch.allclose(folded(images), net(images), atol=1e-4)
        True

    Raises:
        ValueError: the model or one of its layers is in train mode, or a layer cannot be folded; it is named.
    """
    # The result can be trained even if the caller is in inference mode.
    with torch.inference_mode(False):
        return _fold(unwrapped(model))


def _fold(model: nn.Module) -> nn.Module:
    layers = {name for name, module in model.named_modules() if is_dirac(module)}
    if not layers:
        scripted = [name for name, module in model.named_modules() if isinstance(module, torch.jit.ScriptModule)]
        if scripted:
            raise ValueError(
                f"{scripted[0] or 'this'} was compiled by torch.jit, which hides its layers; fold the net before it is "
                "traced or scripted"
            )
        raise ValueError(f"{type(model).__name__} has no Dirac layer, so there is nothing to fold")
    _refuse_train_mode(model)
    pairs = find_pairs(model)
    if isinstance(model, DiracNet) and _is_as_built(model, pairs):
        return _fold_diracnet(model, pairs)
    # Folded layers replace originals in a copy; shared layers are replaced wherever they occur.
    replaced: dict[int, nn.Module] = {}
    for name in layers | set(pairs):
        conv = model.get_submodule(name)
        norm = model.get_submodule(pairs[name]) if name in pairs else None
        replaced[id(conv)] = _folded(cast(Conv, conv), norm)
        if norm is not None:
            replaced[id(norm)] = nn.Identity().eval()
    # deepcopy treats what its memo holds as copies already made, so the originals of folded layers are never copied.
    return deepcopy(model, dict(replaced))


def layer_errors(model: nn.Module, folded: nn.Module, input: Tensor) -> list[LayerError]:
    """Return the deviation of each convolution's output from its source's, in execution order.

    Args:
        model: the source, in eval mode.
        folded: the result of `fold(model)`, or the same net loaded from a file.
        input: a batch for both nets; each layer's input is what its own net computed before it.

    Example:
        >>> import torch, export, zoo
        >>> net = zoo.get_model("diracnet10_cifar").eval()
        >>> errors = export.layer_errors(net, export.fold(net), torch.randn(1, 3, 32, 32))
        >>> max(layer.error for layer in errors) < 1e-5
        True
    """
    model = unwrapped(model)
    _refuse_train_mode(model)
    pairs = find_pairs(model)
    names = [name for name, module in folded.named_modules() if isinstance(module, CONVS)]
    sources = record_outputs(model, {pairs.get(name, name) for name in names}, input)
    results = record_outputs(folded, set(names), input)
    errors = []
    for name in results:
        source, result = sources[pairs.get(name, name)], results[name]
        largest = source.abs().max().item() or 1.0
        errors.append(LayerError(name, (source - result).abs().max().item() / largest))
    return errors


def _refuse_train_mode(model: nn.Module) -> None:
    training = [
        f"its layer {name} ({type(module).__name__})"
        for name, module in model.named_modules()
        if name and module.training and not list(module.children())
    ]
    if training or model.training:
        raise ValueError(
            f"{type(model).__name__}{'' if model.training else f', or rather {training[0]},'} is in train mode; "
            "the folded net computes what the model computes in eval mode. Call model.eval() first"
        )


def _is_as_built(model: DiracNet, pairs: Mapping[str, str]) -> bool:
    """Tell whether a net still is what its spec describes: not a subclass, no layer replaced or added, no hooks.

    Norms of another class that compute the same in eval mode are allowed.
    """
    with torch.device("meta"):
        built = DiracNet(model.spec)

    def layers(net: nn.Module) -> list[Any]:
        modules = net.named_modules()
        return [(name, "norm" if is_norm(m) else (type(m), m.extra_repr())) for name, m in modules]

    whole = all(name in pairs for name, m in built.named_modules() if isinstance(m, (*CONVS, *DIRAC_CONVS)))
    return whole and layers(model) == layers(built) and not any(has_hooks(module) for module in model.modules())


def _fold_diracnet(model: DiracNet, pairs: Mapping[str, str]) -> nn.Sequential:
    """Return the plain net of the model's spec, with the folded convolutions and the classifier of the model."""
    reference = model.fc.weight
    with torch.device("meta"):  # draws no random numbers
        folded = plain(model.spec).to(reference.dtype)
    allocate(folded, reference.device)
    state = {f"fc.{name}": tensor for name, tensor in model.fc.state_dict().items()}
    for conv, norm in pairs.items():
        layer = _folded(cast(Conv, model.get_submodule(conv)), model.get_submodule(norm))
        state |= {f"{conv}.{part}": tensor for part, tensor in layer.state_dict().items()}
    load_strictly(folded, state, f"the folded {model.spec.name}")
    return folded.eval()


def _exact(module: nn.Module) -> Any:
    """Return a float64 copy, on the CPU because not every accelerator has float64."""
    copy = deepcopy(module)
    on_meta = any(tensor.is_meta for tensor in (*copy.parameters(), *copy.buffers()))
    return copy.double() if on_meta else copy.cpu().double()


@torch.no_grad()
def _folded(conv: Conv, norm: nn.Module | None = None) -> Conv:
    """Return the plain convolution that computes norm(conv(x)), or conv(x) if there is no norm."""
    # Composed in a float64 copy: rounding the kernel to float32 in between would lose digits. The copy of a
    # parametrized convolution shares its class, so its parametrization must be read, never removed.
    exact = _exact(conv)
    weight = exact.composed_weight() if isinstance(exact, DIRAC_CONVS) else exact.weight
    bias = exact.bias
    if norm is not None:
        statistics = cast(nn.BatchNorm2d, _exact(norm))
        mean, var = cast(Tensor, statistics.running_mean), cast(Tensor, statistics.running_var)
        scale = (var + statistics.eps).rsqrt()
        if statistics.weight is not None:
            scale = scale * statistics.weight
        bias = ((0 if bias is None else bias) - mean) * scale
        if statistics.bias is not None:
            bias = bias + statistics.bias
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return plain_conv(conv, weight, bias)
