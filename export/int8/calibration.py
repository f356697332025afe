"""Calibration: from a folded net and some pictures to the record of its int8 form, layer by layer.

Two nets run side by side, the float one and the int8 one as far as it is made. Each layer is made to compute, from what
the int8 net gives it, what the float layer computes from what the float net gives it; so it makes up for errors before
it. No labels are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.folding.chain import leaves
from export.int8.activation import decode, encode, input_grid, value_grid
from export.int8.adaround import Moments, clipped_scales, largest_scales, least_error, nearest
from export.int8.layers import Layer, equalize, equalizing_gains, layers, run
from export.int8.record import Grid, Quantization, QuantizedLayer
from export.layout import INPUT
from zoo import Preprocessing

SEED = 0
"""Of the places in the pictures that moments are measured at."""
ROWS = 16384
"""How many such places, if there are as many."""
_BATCH = 16
_LARGEST_BIAS = 1 << 29
"""A quarter of what int32 holds, so that sums have room beside it."""


@dataclass(frozen=True)
class Method:
    """Which remedies a calibration uses. Without any, grids hold all values and weights go to the nearest number.

    Args:
        equalize: all channels of a layer are scaled to reach equally far (`export.int8.layers.equalize`).
        clip: grids and scales may cut off rare large values where that lowers the mean square error.
        correct: biases make up for the mean of each channel's error.
        round: weights are rounded up or down together (`export.int8.adaround`).
    """

    equalize: bool = True
    clip: bool = True
    correct: bool = True
    round: bool = True

    @property
    def needs_moments(self) -> bool:
        """Whether a remedy looks at what a layer's inputs are."""
        return self.clip or self.correct or self.round


BEST, PLAIN = Method(), Method(equalize=False, clip=False, correct=False, round=False)


@torch.no_grad()
def calibrate(
    folded: nn.Sequential,
    pictures: Tensor,
    preprocessing: Preprocessing,
    *,
    method: Method = BEST,
    origin: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
    on_layer: Callable[[str], None] = lambda name: None,
) -> Quantization:
    """Return the record of a net's int8 form.

    Args:
        folded: the net, in eval mode.
        pictures: uint8, (n, height, width, channels), of the net's size; a few hundred that it was trained on.
        preprocessing: how they become the net's input.
        method: which remedies to use.
        origin: what is known of the pictures, for the record.
        dtype: that the float net computes in. float64 takes more time and memory; its sums, which other processors add
            up in another order, then differ too little to show.
        on_layer: told the name of each layer when it begins.

    Raises:
        ValueError: the net is no folded chain, there are no pictures, or a layer computes what is not finite.
    """
    if not len(pictures):
        raise ValueError("there are no pictures to calibrate on; give a few hundred")
    pool = next(name for name, module in leaves(folded) if isinstance(module, nn.AdaptiveAvgPool2d))
    exact = torch.cat([preprocessing.normalize(part.permute(0, 3, 1, 2)) for part in pictures.split(_BATCH)]).to(dtype)
    gains, chain = {}, layers(folded)
    if method.equalize:
        measured = [run(chain, part)[1] for part in exact.split(_BATCH)]
        largest = {name: torch.stack([part[name] for part in measured]).amax(0) for name in measured[0]}
        gains = equalizing_gains(chain, largest)
        chain = equalize(chain, gains)
    grid = input_grid(preprocessing)
    codes = encode(exact, grid)
    grids, made = {INPUT: grid}, {}
    for layer, following in zip(chain, [*chain[1:], None], strict=True):
        on_layer(layer.name)
        measured_here = _moments(layer, exact, codes, grid) if method.needs_moments else None
        quantized = _quantize(layer, grid, measured_here, method)
        gain = gains.get(layer.name, torch.ones(len(layer.bias)))
        made[layer.name] = quantized = replace(quantized, gain=gain.numpy())
        if following is None:
            break
        outputs = (layer.compute(part, layer.kernel, layer.bias) for part in exact.split(_BATCH))
        exact = torch.cat([following.gather(part) for part in outputs])
        grids[layer.name] = new = value_grid(exact, method.clip)
        parts = []
        for part in codes.split(_BATCH):
            computed = layer.compute(decode(part, grid), *dequantized(quantized, grid))
            parts.append(following.gather(decode(encode(computed, new), new)))
        if following.pooled:
            exact, parts = exact.mean((2, 3)), [part.mean((2, 3)) for part in parts]
            grids[pool] = new = value_grid(exact, method.clip)
        grid, codes = new, torch.cat([encode(part, new) for part in parts])
    calibration = {"pictures": len(pictures), "seed": SEED, "method": asdict(method), **(origin or {})}
    return Quantization(made, grids, calibration)


def dequantized(layer: QuantizedLayer, grid: Grid) -> tuple[Tensor, Tensor]:
    """Return the weight and bias that the whole numbers of a layer stand for, whose input is on a grid; float64."""
    return torch.from_numpy(layer.kernel()), torch.from_numpy(layer.scale.astype(np.float64) * grid.scale * layer.bias)


def _quantize(layer: Layer, grid: Grid, moments: Moments | None, method: Method) -> QuantizedLayer:
    kernel, bias = layer.kernel.flatten(1), layer.bias
    scales, counted = largest_scales(kernel), None
    if moments is not None:
        counted = (moments.centred() if method.correct else moments).damped()
        scales = clipped_scales(kernel, counted) if method.clip else scales
    scales = scales.maximum(bias.abs() / (grid.scale * _LARGEST_BIAS)).float().double()
    codes = nearest(kernel, scales) if counted is None or not method.round else least_error(kernel, scales, counted)
    if moments is not None and method.correct:
        bias = bias + kernel @ moments.mean - (codes * scales[:, None]) @ moments.quantized_mean
    limit = 2 * _LARGEST_BIAS
    return QuantizedLayer(
        weight=codes.reshape(layer.kernel.shape).to(torch.int8).numpy(),
        scale=scales.float().numpy(),
        bias=(bias / (scales * grid.scale)).round().clamp(-limit, limit).to(torch.int32).numpy(),
        gain=np.ones(len(bias), np.float32),
    )


def _moments(layer: Layer, exact: Tensor, codes: Tensor, grid: Grid) -> Moments:
    """Measure the inputs of a layer's filters at a sample of places, the same in both nets."""
    generator = torch.Generator().manual_seed(SEED)
    samples: list[tuple[Tensor, Tensor]] = []
    for pair in zip(exact.split(_BATCH), codes.split(_BATCH), strict=True):
        windows = [_windows(layer, values) for values in (pair[0], decode(pair[1], grid).to(exact.dtype))]
        count = windows[0].shape[1]
        places = torch.randperm(count, generator=generator)[: -(-ROWS // len(exact))]
        samples.append(tuple(values[:, places].flatten(0, 1) for values in windows))  # type: ignore[arg-type]
    return Moments.measure(*(torch.cat(parts) for parts in zip(*samples, strict=True)))


def _windows(layer: Layer, values: Tensor) -> Tensor:
    """Return what each filter sees at each place, (batch, places, n)."""
    module = layer.module
    if isinstance(module, nn.Linear):
        return values[:, None]
    unfolded = F.unfold(values, module.kernel_size, module.dilation, module.padding, module.stride)  # type: ignore[arg-type]
    return unfolded.transpose(1, 2)
