"""Calibration: from a folded net and some pictures to the record of its int8 form, layer by layer.

Post-training quantization without labels and without training. Two nets run side by side: the float one, and the int8
one as far as it is finished. Each layer is quantized so that, given the activations of the int8 net, it computes what
the float layer computes from those of the float net; so it also makes up for the errors of the layers before it.
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
from export.int8.activation import activation_qparams, dequantize_linear, input_qparams, quantize_linear
from export.int8.adaround import Moments, absmax_scales, mse_scales, round_adaptively, round_to_nearest
from export.int8.equalization import equalize, equalizing_gains
from export.int8.layers import Layer, layers, run
from export.int8.record import QParams, Quantization, QuantizedLayer, bias_scale
from export.layout import INPUT
from zoo import Preprocessing

SEED = 0
"""Draws the places in the pictures at which moments are measured."""
ROWS = 16384
"""At how many places, if there are as many."""
_BATCH = 16
_LARGEST_BIAS = 1 << 29
"""A quarter of int32's range, which leaves room for the sum of products that a bias is added to."""


@dataclass(frozen=True)
class Method:
    """The options of a calibration; `BEST` has all, `PLAIN` none. An ablation switches them on one after another.

    Without any, ranges are min-max and weights are rounded to the nearest.

    Args:
        equalize: cross-layer equalization (Nagel et al., arXiv 1906.04721; `export.int8.equalization`).
        clip: MSE clipping: the scales of weights and activations have the least mean square error, and rare large
            values saturate (Banner et al., arXiv 1810.05723; Nagel et al., arXiv 2106.08295).
        correct: bias correction: biases make up for the mean of each channel's error (arXiv 1906.04721).
        round: AdaRound's objective decides which weights are rounded up (Nagel et al., arXiv 2004.10568;
            `export.int8.adaround`).
    """

    equalize: bool = True
    clip: bool = True
    correct: bool = True
    round: bool = True

    @property
    def needs_moments(self) -> bool:
        """Whether an option depends on the layer's inputs."""
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
        method: which options to use.
        origin: what is known of the pictures, for the record.
        dtype: the precision of the float net. float64 takes more time and memory, but then the differences between
            processors, which add up sums in different orders, are too small to change the record.
        on_layer: called with the name of each layer before it is quantized.

    Raises:
        ValueError: the net is no folded chain, there are no pictures, or an activation is not finite.

    Example:
        >>> record = calibrate(folded, pictures, CIFAR)  # uint8 pictures, (512, 32, 32, 3)  # doctest: +SKIP
        >>> graph = quantize(export.emit(folded), record)
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
    # The input of the layer at hand: in the float net, and in the int8 net with its parameters.
    qparams = input_qparams(preprocessing)
    quantized = quantize_linear(exact, qparams)
    activations, finished = {INPUT: qparams}, {}
    for layer, following in zip(chain, [*chain[1:], None], strict=True):
        on_layer(layer.name)
        moments = measure_moments(layer, exact, quantized, qparams) if method.needs_moments else None
        gain = gains.get(layer.name, torch.ones(len(layer.bias)))
        made = replace(quantize_layer(layer, qparams, moments, method), gain=gain.numpy())
        finished[layer.name] = made
        if following is None:
            break
        outputs = (layer.compute(part, layer.kernel, layer.bias) for part in exact.split(_BATCH))
        exact = torch.cat([following.activate(part) for part in outputs])
        activations[layer.name] = new = activation_qparams(exact, method.clip)
        parts = []
        for part in quantized.split(_BATCH):
            computed = layer.compute(dequantize_linear(part, qparams), *dequantized(made, qparams))
            parts.append(following.activate(dequantize_linear(quantize_linear(computed, new), new)))
        if following.pooled:
            exact, parts = exact.mean((2, 3)), [part.mean((2, 3)) for part in parts]
            activations[pool] = new = activation_qparams(exact, method.clip)
        qparams, quantized = new, torch.cat([quantize_linear(part, new) for part in parts])
    calibration = {"pictures": len(pictures), "seed": SEED, "method": asdict(method), **(origin or {})}
    return Quantization(finished, activations, calibration)


def dequantized(layer: QuantizedLayer, input: QParams) -> tuple[Tensor, Tensor]:
    """Return the weight and bias that a quantized layer stands for, without rounding, in float64."""
    return torch.from_numpy(layer.kernel()), torch.from_numpy(bias_scale(layer.scale, input) * layer.bias)


def quantize_layer(layer: Layer, input: QParams, moments: Moments | None, method: Method) -> QuantizedLayer:
    """Quantize the weights of a layer: their scales, then their rounding, then the bias. The gain is left at 1."""
    kernel, bias = layer.kernel.flatten(1), layer.bias
    scales, counted = absmax_scales(kernel), None
    if moments is not None:
        counted = (moments.centred() if method.correct else moments).damped()
        scales = mse_scales(kernel, counted) if method.clip else scales
    scales = with_room(scales, layer, input).float()
    steps = scales.double()
    if counted is not None and method.round:
        weight = round_adaptively(kernel, steps, counted)
    else:
        weight = round_to_nearest(kernel, steps)
    if moments is not None and method.correct:
        bias = bias + kernel @ moments.mean - (weight * steps[:, None]) @ moments.quantized_mean
    if not all(values.isfinite().all() for values in (weight, steps, bias)):
        raise ValueError(f"{layer.name} cannot be quantized: its weights, or what it computes, are too large")
    limit = 2 * _LARGEST_BIAS
    return QuantizedLayer(
        weight=weight.reshape(layer.kernel.shape).to(torch.int8).numpy(),
        scale=scales.numpy(),
        bias=(bias / torch.from_numpy(bias_scale(scales.numpy(), input))).round().clamp(-limit, limit).int().numpy(),
        gain=np.ones(len(bias), np.float32),
    )


def with_room(scales: Tensor, layer: Layer, input: QParams) -> Tensor:
    """Return the scales of filters, (out,), large enough that their biases are whole numbers of 32 bits.

    A filter of zeros has the scale that its bias needs, and keeps its own if it has none.
    """
    needed = layer.bias.abs() / (input.scale * _LARGEST_BIAS)
    return torch.where(layer.live | (needed == 0), scales.maximum(needed), needed)


def measure_moments(layer: Layer, exact: Tensor, quantized: Tensor, input: QParams) -> Moments:
    """Measure the inputs of a layer's filters at a sample of places, the same in both nets."""
    generator = torch.Generator().manual_seed(SEED)
    samples: list[tuple[Tensor, Tensor]] = []
    for pair in zip(exact.split(_BATCH), quantized.split(_BATCH), strict=True):
        windows = [_windows(layer, values) for values in (pair[0], dequantize_linear(pair[1], input).to(exact.dtype))]
        count = windows[0].shape[1]
        places = torch.randperm(count, generator=generator)[: -(-ROWS // len(exact))]
        samples.append(tuple(values[:, places].flatten(0, 1) for values in windows))  # type: ignore[arg-type]
    return Moments.measure(*(torch.cat(parts) for parts in zip(*samples, strict=True)))


def _windows(layer: Layer, values: Tensor) -> Tensor:
    """Return the inputs of each filter at each place, (batch, places, n)."""
    module = layer.module
    if isinstance(module, nn.Linear):
        return values[:, None]
    unfolded = F.unfold(values, module.kernel_size, module.dilation, module.padding, module.stride)  # type: ignore[arg-type]
    return unfolded.transpose(1, 2)
