"""Unfolding: a folded net becomes trainable again, as the DiracNet in training form that computes the same.

Folding forgets which part of a kernel was identity and which was learned, and what BatchNorm had measured. Neither is
needed to compute the same, so both can be chosen. For each output channel with kernel k and bias b

    k = s * (alpha * delta + beta * normalize(w)), then BatchNorm with gamma = s * sqrt(var + eps), shift b + s * mean

so that BatchNorm is the identity except for s and b. `mean` and `var` are measured on pictures, or 0 and 1.

- Version 2, alpha and beta per channel: alpha is the part of k along delta, beta * normalize(w) the rest, s is 1. No
  other choice has a smaller beta.
- Version 1, one alpha and beta for the layer: alpha is 1 and beta twice delta's length. Then there is exactly one
  positive s for every k, which is 1 / t with |t * k - delta| = beta.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from export.folding.chain import leaves, record_outputs
from zoo import DiracConv2d, DiracNet, Spec, dirac_delta, plain
from zoo.nets.conv import allocate
from zoo.weights.checkpoint import load_strictly
from zoo.weights.upstream import read_upstream


def unfold(folded: nn.Sequential, pictures: Tensor | None = None) -> DiracNet:
    """Return a DiracNet in training form that computes in eval mode what a folded net computes.

    With pictures it computes the same in train mode too, on those pictures, so that fine-tuning on others like them
    continues from where the folded net stands. Without them BatchNorm's statistics are 0 and 1, and the first steps in
    train mode would undo what the net has learned: then leave the BatchNorms in eval mode.

    Example:
        >>> import torch, zoo, export
        >>> folded = zoo.get_model("diracnet10_cifar", folded=True).eval()
        >>> net = export.unfold(folded)
        >>> images = torch.randn(2, 3, 32, 32)
        >>> torch.allclose(net(images), folded(images), atol=1e-4)
        True

    Args:
        folded: a folded DiracNet: what `fold` returns for one, or `zoo.plain` with weights.
        pictures: a batch of normalized inputs, float [n, channels, height, width], a few hundred of the training
            pictures.

    Returns:
        A new net in eval mode, of the folded net's dtype, on the CPU. `fold` takes it back.

    Raises:
        ValueError: it is not a folded DiracNet.
    """
    with torch.inference_mode(False):
        spec = _spec(folded)
        exact, net = (_empty(kind, spec) for kind in (plain, DiracNet))
        load_strictly(exact, {name: tensor.detach().cpu() for name, tensor in folded.state_dict().items()}, spec.name)
        convs = {name: module for name, module in leaves(exact) if isinstance(module, nn.Conv2d)}
        outputs = {} if pictures is None else record_outputs(exact, convs, pictures.detach().cpu().double())
        state = {f"fc.{part}": tensor for part, tensor in exact.get_submodule("fc").state_dict().items()}
        for name, conv in convs.items():
            block = name.removesuffix("conv")
            kernel, bias = conv.weight.detach(), cast(Tensor, conv.bias).detach()
            parts, scale = _decomposed(kernel, net.get_submodule(name))
            norm = _norm(bias, scale, outputs.get(name), cast(nn.BatchNorm2d, net.get_submodule(f"{block}bn")).eps)
            state |= {f"{name}.{part}": tensor for part, tensor in parts.items()}
            state |= {f"{block}bn.{part}": tensor for part, tensor in norm.items()}
        load_strictly(net, state, f"a {spec.name}")
        return cast(DiracNet, net.to(next(folded.parameters()).dtype).eval())


def _spec(folded: nn.Module) -> Spec:
    """Return the structure of a folded DiracNet; ValueError if the net is not one."""
    if not isinstance(folded, nn.Sequential):
        raise ValueError(f"a folded net is an nn.Sequential such as export.fold returns, not a {type(folded).__name__}")
    spec = read_upstream(folded.state_dict(), final_relu="relu" in folded._modules).spec
    with torch.device("meta"):
        expected = _layers(plain(spec))
    foreign = [name for name, layer in _layers(folded).items() if expected.get(name) != layer]
    missing = [name for name in expected if name not in _layers(folded)]
    if foreign or missing:
        raise ValueError(f"the net is no {spec.name}: it differs in {', '.join([*foreign, *missing][:5])}")
    return spec


def _layers(net: nn.Module) -> dict[str, str]:
    return {name: repr(module) for name, module in leaves(net)}


def _empty(kind: Callable[[Spec], nn.Module], spec: Spec) -> Any:
    """Return a net whose values are still to be set, without drawing random numbers."""
    with torch.device("meta"):
        net = kind(spec)
    return allocate(net).double()


def _decomposed(kernel: Tensor, layer: nn.Module) -> tuple[dict[str, Tensor], Tensor]:
    """Return a layer's parameters, and per channel the factor s that turns what they compose into the kernel."""
    one = torch.ones_like(kernel[:, 0, 0, 0])
    if not isinstance(layer, DiracConv2d):
        return {"weight": kernel}, one
    delta = dirac_delta(kernel, delta=layer.delta)
    along, identity, whole = ((a * b).flatten(1).sum(1) for a, b in ((kernel, delta), (delta, delta), (kernel, kernel)))
    if layer.scale == "channel":
        # Rows of delta beyond the smaller number of channels are empty; their alpha has no effect.
        alpha = torch.where(identity > 0, along / identity.clamp_min(1), one)
        rest = kernel - alpha.reshape(-1, 1, 1, 1) * delta
        beta = torch.linalg.vector_norm(rest.flatten(1), dim=1)
        return {"weight": _directions(rest, beta), "alpha": alpha, "beta": beta}, one
    alpha, beta = one[:1], 2 * identity.max().sqrt().reshape(1)
    root = (along.square() + whole * (beta.square() - identity)).sqrt()
    alive = whole > 0
    factor = torch.where(alive, (along + root) / whole.clamp_min(torch.finfo(whole.dtype).tiny), one)
    rest = kernel * factor.reshape(-1, 1, 1, 1) - delta
    weight = _directions(rest, torch.linalg.vector_norm(rest.flatten(1), dim=1))
    return {"weight": weight, "alpha": alpha, "beta": beta}, torch.where(alive, 1 / factor, 0)


def _directions(rest: Tensor, length: Tensor) -> Tensor:
    """Return the filters scaled to length 1; a zero filter gets an arbitrary direction, so that it can be learned."""
    anywhere = torch.full_like(rest, rest[0].numel() ** -0.5)
    there = (length > 0).reshape(-1, 1, 1, 1)
    return torch.where(there, rest / length.clamp_min(torch.finfo(rest.dtype).tiny).reshape(-1, 1, 1, 1), anywhere)


def _norm(bias: Tensor, scale: Tensor, output: Tensor | None, eps: float) -> dict[str, Tensor]:
    """Return the state of the BatchNorm that multiplies by a scale and adds a bias.

    `output` is the folded convolution's, (n, channels, height, width), if it was recorded.
    """
    mean, variance = torch.zeros_like(bias), torch.ones_like(bias)
    if output is not None:
        variance, mean = torch.var_mean(output, dim=(0, 2, 3), correction=0)  # as in train mode
        # The statistics of the Dirac kernel's output; where a channel's kernel is zero any will do, since gamma is
        # zero.
        divisor = torch.where(scale > 0, scale, 1)
        mean, variance = (mean - bias) / divisor, variance / divisor.square()
    return {
        "weight": scale * (variance + eps).sqrt(),
        "bias": bias + scale * mean,
        "running_mean": mean,
        "running_var": variance,
        "num_batches_tracked": torch.tensor(0),
    }
