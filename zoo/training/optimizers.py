"""The recipe's optimizers: SGD, and Muon for convolution kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.training.recipes import Recipe

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic that drives all singular values towards 1 (Jordan et al., "Muon", 2024)."""


def make_optimizers(model: nn.Module, recipe: Recipe, *, decay_scales: bool) -> list[torch.optim.Optimizer]:
    """Return the recipe's optimizers: SGD for all parameters, or Muon for the kernels and SGD for the others.

    Each group keeps its peak rate as `initial_lr`.

    Args:
        model: the net whose parameters are updated.
        recipe: gives rates, momentum and weight decay.
        decay_scales: whether SGD's weight decay applies to one-dimensional parameters (alpha, beta, BatchNorm, biases)
            too, as in upstream's training of version 1.
    """
    kernels: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for parameter in model.parameters():
        if recipe.muon_lr and parameter.ndim > 2:
            kernels.append(parameter)
        else:
            (spared if parameter.ndim < 2 and not decay_scales else decayed).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "initial_lr": recipe.lr},
        {"params": spared, "initial_lr": recipe.lr, "weight_decay": 0.0},
    ]
    sgd = torch.optim.SGD(
        groups,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
    )
    return [sgd, Muon(kernels, lr=recipe.muon_lr, fixed_norm=recipe.fixed_norm)] if kernels else [sgd]


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalized: each kernel moves by a matrix with singular values near 1.

    `torch.optim.Muon` takes matrices only; here a kernel (out, in, *size) counts as the matrix (out, in · size). There
    is no weight decay: the net cannot see the scale of a kernel that is normalized, as in a Dirac convolution or before
    a BatchNorm. The kernel does grow with every step, though, so that the angle by which a step turns it shrinks,
    unless the norm is fixed.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), and its use on CIFAR-10 in
    KellerJordan/cifar10-airbench.

    Args:
        parameters: kernels of two and more dimensions.
        lr: the step's spectral norm, times sqrt(rows / columns) where a kernel has more rows than columns.
        momentum: Nesterov momentum.
        fixed_norm: whether each step ends by rescaling the kernel to the norm sqrt(rows), which makes `lr` the angle of
            a step, in radians.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, fixed_norm: bool = False
    ) -> None:
        super().__init__(parameters, {"lr": lr, "initial_lr": lr, "momentum": momentum, "fixed_norm": fixed_norm})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all kernels once, by their gradients; as in PyTorch's optimizers, a closure computes these first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                average = state["momentum_buffer"]
                average.mul_(group["momentum"]).add_(parameter.grad)
                direction = parameter.grad.add(average, alpha=group["momentum"]).flatten(1)
                rows, columns = direction.shape
                scale = group["lr"] * max(1, rows / columns) ** 0.5
                parameter.add_(orthogonalize(direction).view(parameter.shape), alpha=-scale)
                if group["fixed_norm"]:
                    parameter.mul_(rows**0.5 / parameter.norm())
        return loss


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return a matrix of the same shape with the same singular vectors, and singular values of 0.68 to 1.13.

    Singular values near zero grow about 500-fold.

    This is Newton and Schulz's iteration, in matrix products alone. Each step left-multiplies both the matrix and its
    Gram matrix by the same polynomial, so it suffices to iterate on the small Gram matrix and apply the product once:
    the matrix of a 3×3 kernel is about nine times as wide as it is high.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    x: Tensor = wide / wide.norm().clamp_min(1e-7)
    gram = x @ x.mT
    product = polynomial = _polynomial(gram)
    for _ in range(steps - 1):
        gram = polynomial @ gram @ polynomial
        polynomial = _polynomial(gram)
        product = polynomial @ product
    x = product @ x
    return x if wide is matrix else x.mT


def _polynomial(gram: Tensor) -> Tensor:
    a, b, c = _COEFFICIENTS
    result = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    result.diagonal().add_(a)
    return result
