"""The integer net: its fixed-point arithmetic, and that LiteRT and TensorFlow Lite Micro compute the same bits."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from export.int8.activation import input_qparams, quantize_linear
from export.int8.record import QParams
from export.integer.fixed import Factor, multiply
from export.integer.net import PIXELS, Code, Convolution, Normalization, lower
from export.integer.run import evaluate, table
from export.litert.graph import Graph, Scales
from export.litert.int8 import emit_int8
from export.litert.interpreter import Interpreter
from zoo.preprocessing import CIFAR, IMAGENET, Preprocessing

GREY = Preprocessing(resize=28, size=28, interpolation="bicubic", mean=(0.286,), std=(0.353,))


def rounded(value: Fraction) -> int:
    """Round to the nearest integer, halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + Fraction(1, 2)), value))


@pytest.mark.parametrize("value", [1e-9, 3e-5, 0.01, 0.25, 0.3, 0.5, 1 - 2**-33, 1.0, 1.7, 900.0])
def test_a_factor_is_the_nearest_of_31_bits(value: float) -> None:
    factor = Factor.of(value)
    assert 2**30 <= factor.multiplier < 2**31
    assert abs(factor.multiplier * 2.0 ** (factor.shift - 31) / value - 1) <= 2**-31
    assert Factor.of(2**-40) == Factor(0, 0)


@pytest.mark.parametrize("count", [1, 3, 16, 49, 64, 256])
@pytest.mark.parametrize("value", [0.003, 0.7, 3.3])
def test_a_factor_divided_by_a_count_loses_few_bits(value: float, count: int) -> None:
    divided = Factor.of(value).over(count)
    assert abs(divided.multiplier * 2.0 ** (divided.shift - 31) * count / value - 1) < 2**-28


def test_products_are_rounded_twice() -> None:
    random = np.random.default_rng(0)
    sums = np.concatenate((random.integers(-(2**24), 2**24, 2000), [0, 1, -1, 2**24, -(2**24)]))
    for value in (0.00071, 0.0421, 0.5, 1.9):
        factor = Factor.of(value)
        found = multiply(sums, np.int64(factor.multiplier), np.int64(factor.shift))
        # The first rounding takes halves upwards, the second away from zero.
        for one, product in zip(sums.tolist(), found.tolist(), strict=True):
            high = math.floor(Fraction((one << max(factor.shift, 0)) * factor.multiplier, 2**31) + Fraction(1, 2))
            assert product == rounded(Fraction(high, 2 ** max(-factor.shift, 0)))


@pytest.mark.parametrize("preprocessing", [CIFAR, IMAGENET, GREY], ids=["cifar", "imagenet", "grey"])
def test_pixels_get_the_code_of_the_normalized_value_or_its_neighbour(preprocessing: Preprocessing) -> None:
    qparams = input_qparams(preprocessing)
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 256, 1).expand(1, len(preprocessing.mean), 256, 1)
    expected = quantize_linear(preprocessing.normalize(levels), qparams).reshape(-1, 256).numpy().astype(int) - 128
    found = table(Normalization.of(preprocessing, Code.of(qparams)))
    assert np.abs(found - expected).max() <= 1 and (found == expected).mean() > 0.98


def test_litert_and_tflm_compute_the_same_bits(small_net) -> None:
    net, pictures = lower(small_net.net, small_net.record, small_net.preprocessing), small_net.pictures
    expected = evaluate(net, pictures)
    assert len(np.unique(expected)) > 5  # neither saturated nor constant
    model, codes = emit_int8(net).to_bytes(), (pictures.astype(np.int16) - 128).astype(np.int8)
    np.testing.assert_array_equal(Interpreter(model, "reference").run(codes), expected)
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    for code, logits in zip(codes, expected, strict=True):
        micro = runtime.Interpreter.from_bytes(model, arena_size=4_000_000)
        micro.set_input(code[None], 0)
        micro.invoke()
        np.testing.assert_array_equal(micro.get_output(0)[0], logits)


def test_the_input_is_pixels_and_the_logits_do_not_saturate(small_net) -> None:
    net = lower(small_net.net, small_net.record, small_net.preprocessing)
    details = Interpreter(emit_int8(net).to_bytes())
    assert details.input["quantization"] == (PIXELS.scale, -128) and details.input["dtype"] == np.int8
    assert details.output["quantization"] == (net.output.scale, net.output.zero_point)
    assert np.abs(evaluate(net, small_net.pictures).astype(int)).max() < 127


def test_sums_beyond_32_bits_are_refused(small_net) -> None:
    name = list(small_net.record.layers)[1]
    layer = small_net.record.layers[name]
    for changed in (
        replace(layer, bias=np.full_like(layer.bias, 2**31 - 1)),
        replace(layer, scale=(layer.scale * 2**24).astype(np.float32)),
    ):
        record = replace(small_net.record, layers={**small_net.record.layers, name: changed})
        with pytest.raises(ValueError, match=rf"^{name}: its sums may exceed 32 bits.* leave out litert-int8 and c"):
            lower(small_net.net, record, small_net.preprocessing)


@pytest.mark.parametrize("scale", [1e-30, 1e-12])
def test_means_beyond_32_bits_are_refused(scale: float, small_net) -> None:
    (pool,) = small_net.record.activations.keys() - {"pixel_values", *small_net.record.layers}
    activations = {**small_net.record.activations, pool: QParams(scale, 0)}
    with pytest.raises(ValueError, match=rf"^{pool}: its sums may exceed 32 bits"):
        lower(small_net.net, replace(small_net.record, activations=activations), small_net.preprocessing)


def test_a_layer_reads_as_it_is(small_net) -> None:
    net = lower(small_net.net, small_net.record, small_net.preprocessing)
    first, *_, last = net.convolutions
    assert isinstance(first, Convolution) and first.input == net.normalization.output
    assert first.name == "conv" and last.name == "fc" and last.weight.shape[1:3] == (1, 1)
    assert first.weight.shape[3] == len(small_net.preprocessing.mean) and net.classes == len(last.bias)


def test_a_sum_between_two_integers_is_rounded_as_the_reference_rounds() -> None:
    """The example of tensorflow/tensorflow#102943: LiteRT's fast kernels, which round once, give -120 for it."""
    given, weight, result = 0.05296124517917633, 0.024093778803944588, 0.11484327912330627
    scales = {name: np.array([scale], np.float32) for name, scale in (("given", given), ("weight", weight))}
    graph = Graph("pictures", (1, 1, 1, 1), np.int8, Scales(scales["given"], -124))
    graph.convolution(
        "conv",
        np.full((1, 1, 1, 1), 117, np.int8),
        np.zeros(1, np.int32),
        scales=(
            Scales(scales["weight"]),
            Scales(scales["given"] * scales["weight"]),
            Scales(np.array([result], np.float32), -126),
        ),
    )
    factor = Factor.of(float(scales["given"][0]) * float(scales["weight"][0]) / float(np.float32(result)))
    found = multiply(np.int64([585]), np.int64(factor.multiplier), np.int64(factor.shift)) - 126
    reference = Interpreter(graph.to_bytes(), "reference").run(np.full((1, 1, 1, 1), 5 - 124, np.int8))
    assert found.tolist() == reference.ravel().tolist() == [-119]
