"""From a net and pictures to integers: equalization, ranges, rounding, the record and its file."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from export import fold
from export.int8.activation import activation_qparams, dequantize_linear, input_qparams, quantize_linear
from export.int8.adaround import Moments, absmax_scales, mse_scales, round_adaptively, round_to_nearest
from export.int8.calibration import BEST, PLAIN, Method, calibrate, quantize_layer
from export.int8.equalization import equalize, equalizing_gains
from export.int8.layers import layers, run
from export.int8.record import WEIGHT_MAX, QParams, Quantization, QuantizedLayer
from export.int8.validation import mismatches
from zoo import DiracNet, Spec
from zoo.preprocessing import CIFAR
from zoo.weights.described import save_described

SPECS = [
    Spec(depth=10, width=0.25, family="cifar"),
    Spec(depth=10, width=0.25, family="cifar", version=1),
    Spec(depth=18, width=1 / 16, num_classes=7),
    Spec(depth=18, width=1 / 16, version=1, num_classes=7, final_relu=False),
]
every_spec = pytest.mark.parametrize(
    "spec",
    [*SPECS[:2], *(pytest.param(spec, marks=pytest.mark.slow) for spec in SPECS[2:])],
    ids=lambda spec: spec.name,
)


@pytest.fixture
def folded(spec: Spec, randomised: Callable) -> nn.Sequential:
    torch.manual_seed(0)
    return fold(randomised(DiracNet(spec)))


def pictures(spec: Spec, count: int = 12, seed: int = 0) -> torch.Tensor:
    """Return pictures of large patches, which a net tells apart."""
    size = 2 * spec.min_size + 8
    cells = torch.randint(0, 256, (count, 4, 4, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return cells.repeat_interleave(-(-size // 4), 1).repeat_interleave(-(-size // 4), 2)[:, :size, :size]


def inputs(spec: Spec) -> torch.Tensor:
    return CIFAR.normalize(pictures(spec).permute(0, 3, 1, 2))


@every_spec
def test_a_chain_computes_what_its_net_computes(spec: Spec, folded: nn.Sequential) -> None:
    batch = inputs(spec).double()
    expected = folded.double()(batch)
    logits, largest = run(layers(folded), batch)
    assert (logits - expected).abs().max() <= 1e-12 * expected.abs().max()
    assert list(largest) == [layer.name for layer in layers(folded)[:-1]]


@every_spec
def test_equalization_is_exact_and_evens_channels_out(spec: Spec, folded: nn.Sequential) -> None:
    chain, batch = layers(folded.double()), inputs(spec).double()
    expected, largest = run(chain, batch)
    gains = equalizing_gains(chain, largest)
    found, after = run(equalize(chain, gains), batch)
    assert (found - expected).abs().max() <= 1e-12 * expected.abs().max()
    assert any((factors != 1).any() for factors in gains.values())

    def spread(values: torch.Tensor) -> float:
        alive = values[values > 0].log()
        return alive.std().item() if len(alive) > 1 else 0.0

    assert sum(map(spread, after.values())) < sum(map(spread, largest.values()))


def test_dead_channels_and_channels_that_nothing_reads_stay_as_they_are(randomised: Callable) -> None:
    net = fold(randomised(DiracNet(SPECS[0])))
    chain = layers(net)
    with torch.no_grad():
        net.group0.block0.conv.weight[1] = 0  # an output that is always zero
        net.group0.block0.conv.bias[1] = 0
        net.group0.block1.conv.weight[:, 2] = 0  # an input that nothing reads
    chain = layers(net)
    _, largest = run(chain, inputs(SPECS[0]))
    gains = equalizing_gains(chain, largest)["group0.block0.conv"]
    assert gains[1] == gains[2] == 1 and gains.isfinite().all() and (gains > 0).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, 3.7), (-2.5, 1.0), (-4.0, -1.0), (0.0, 0.0), (2.0, 3.0)])
def test_a_range_holds_zero_and_all_values_within_half_a_step(low: float, high: float) -> None:
    values = torch.linspace(low, high, 1001)
    qparams = activation_qparams(values, clip=False)
    assert dequantize_linear(torch.tensor([qparams.zero_point], dtype=torch.uint8), qparams) == 0
    assert (dequantize_linear(quantize_linear(values, qparams), qparams) - values).abs().max() <= 0.5001 * qparams.scale
    assert 255 * qparams.scale <= 1.01 * max(high, 0.0) - 1.01 * min(low, 0.0) or low == high


def test_a_clipped_range_errs_less_than_min_max() -> None:
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(0)).abs()
    values[0] = 30.0
    errors = {
        clip: (dequantize_linear(quantize_linear(values, qparams), qparams) - values).square().mean().item()
        for clip in (False, True)
        for qparams in [activation_qparams(values, clip)]
    }
    assert errors[True] < errors[False]
    with pytest.raises(ValueError, match="not finite"):
        activation_qparams(torch.tensor([1.0, float("nan")]), clip=True)


def test_the_inputs_range_holds_every_pixel() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 1, 256).expand(1, 3, 1, 256)
    values, qparams = CIFAR.normalize(pixels), input_qparams(CIFAR)
    assert (dequantize_linear(quantize_linear(values, qparams), qparams) - values).abs().max() <= 0.501 * qparams.scale


def correlated(rows: int = 4000, columns: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(columns, columns, generator=generator) * 0.3 + 0.2
    return (torch.randn(rows, columns, generator=generator) @ mixing).clamp_min(0)


def test_joint_rounding_stays_within_a_step_and_beats_the_nearest() -> None:
    x = correlated()
    kernel = 0.05 * torch.randn(8, 40, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    kernel[:, 0] = 1.0  # the identity
    moments = Moments.measure(x, x).centred().damped()
    scales = absmax_scales(kernel)
    simple, joint = round_to_nearest(kernel, scales), round_adaptively(kernel, scales, moments)
    steps = (joint - kernel / scales[:, None]).abs()
    assert steps.max() < 1 and (joint == joint.round()).all() and joint.abs().max() <= WEIGHT_MAX

    def error(quantized: torch.Tensor) -> torch.Tensor:
        difference = (quantized * scales[:, None] - kernel) @ (x - x.mean(0)).double().T
        return difference.square().mean(1)

    assert (error(joint) <= error(simple) * (1 + 1e-9)).all()
    assert error(joint).sum() < 0.6 * error(simple).sum()
    # No single weight can be changed to its other neighbour to any use.
    for row, column in ((0, 3), (5, 17), (7, 39)):
        for change in (-1, 1):
            other = joint.clone()
            other[row, column] += change
            if (other - kernel / scales[:, None]).abs()[row, column] < 1:
                damped = ((other * scales[:, None] - kernel) @ moments.gram * (other * scales[:, None] - kernel)).sum(1)
                best = ((joint * scales[:, None] - kernel) @ moments.gram * (joint * scales[:, None] - kernel)).sum(1)
                assert damped[row] >= best[row] * (1 - 1e-9)


def test_mse_scales_never_err_more_than_the_largest() -> None:
    x = correlated()
    kernel = torch.randn(8, 40, generator=torch.Generator().manual_seed(3), dtype=torch.float64) ** 3
    moments = Moments.measure(x, x).damped()

    def error(scales: torch.Tensor) -> torch.Tensor:
        difference = round_to_nearest(kernel, scales) * scales[:, None] - kernel
        return ((difference @ moments.gram) * difference).sum(1)

    clipped, largest = mse_scales(kernel, moments), absmax_scales(kernel)
    assert (clipped <= largest * (1 + 1e-6)).all()
    assert (error(clipped) <= error(largest.float().double()) * (1 + 1e-9)).all()


@every_spec
@pytest.mark.parametrize("method", [PLAIN, Method(round=False), BEST], ids=["plain", "nearest", "best"])
def test_quantized_weights_lie_near_the_weights(spec: Spec, folded: nn.Sequential, method: Method) -> None:
    record = calibrate(folded, pictures(spec), CIFAR, method=method)
    assert not list(mismatches(record, folded))
    gains = {name: torch.from_numpy(layer.gain) for name, layer in record.layers.items()}
    step = {name: qparams.scale for name, qparams in record.activations.items()}
    source = "pixel_values"
    for layer in equalize(layers(folded), gains):
        found = record.layers[layer.name]
        scale = torch.from_numpy(found.scale).double().reshape(-1, *[1] * (layer.kernel.ndim - 1))
        exact = (layer.kernel / scale).clamp(-WEIGHT_MAX, WEIGHT_MAX)
        distance = (torch.from_numpy(found.weight).double() - exact).abs().max()
        assert distance <= (1.0 if method.round else 0.5) + 1e-3
        if not method.correct:
            units = found.scale.astype(np.float64) * step[source]
            assert np.abs(found.bias - layer.bias.numpy() / units).max() <= 0.5 + 1e-3
        source = layer.name if layer.name != list(record.layers)[-2] else "avg_pool"
    assert (record.layers["fc"].gain == 1).all()
    if not method.equalize:
        assert all((layer.gain == 1).all() for layer in record.layers.values())


def test_a_tiny_weight_beside_a_large_bias_does_not_overflow(randomised: Callable) -> None:
    net = fold(randomised(DiracNet(SPECS[0])))
    with torch.no_grad():
        net.group1.block0.conv.weight[0] *= 1e-12
        net.group1.block0.conv.bias[0] = 5.0
        net.group1.block0.conv.weight[1] = 0
    record = calibrate(net, pictures(SPECS[0]), CIFAR, method=PLAIN)
    layer = record.layers["group1.block0.conv"]
    step = record.activations["group0.block1.conv"].scale
    value = float(layer.bias[0]) * float(layer.scale[0]) * step
    assert value == pytest.approx(5.0, rel=1e-6) and not layer.weight[:2].any()
    assert not list(mismatches(record, net))


def test_a_filter_of_zeros_has_the_unit_that_its_bias_needs(randomised: Callable) -> None:
    net = fold(randomised(DiracNet(SPECS[0])))
    with torch.no_grad():
        net.group2.block1.conv.weight.mul_(1e5)
        net.group2.block1.conv.bias.mul_(1e5)
        net.fc.weight.div_(1e5)[0] = 0
        net.fc.weight[1] *= 1e-44
        net.fc.bias[:2] = torch.tensor([2.0, 0.0])
    for method in (BEST, PLAIN):
        record = calibrate(net, pictures(SPECS[0]), CIFAR, method=method)
        fc = record.layers["fc"]
        unit = float(fc.scale[0]) * record.activations["avg_pool"].scale
        assert unit * int(fc.bias[0]) == pytest.approx(2, rel=1e-6) and unit < 1e-8
        assert not list(mismatches(record, net))


@pytest.mark.parametrize("method", [BEST, PLAIN], ids=["best", "plain"])
def test_large_activations_are_quantized_as_small_ones_are(method: Method, randomised: Callable) -> None:
    small = fold(randomised(DiracNet(SPECS[0])))
    large = deepcopy(small)
    with torch.no_grad():
        for module in large.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.bias.mul_(2.0**70)
        large.conv.weight.mul_(2.0**70)
    ours, theirs = (calibrate(net, pictures(SPECS[0]), CIFAR, method=method) for net in (small, large))
    for name, layer in ours.layers.items():
        assert (layer.weight == theirs.layers[name].weight).all() and (layer.bias == theirs.layers[name].bias).all()
    assert not list(mismatches(theirs, large))


def test_what_no_integers_can_hold_is_refused_by_name(randomised: Callable) -> None:
    layer = layers(fold(randomised(DiracNet(SPECS[0]))))[0]
    endless = replace(layer, bias=torch.full_like(layer.bias, torch.inf))
    with pytest.raises(ValueError, match=r"^conv cannot be quantized: its weights, or what it computes, are too large"):
        quantize_layer(endless, input_qparams(CIFAR), None, PLAIN)


def test_scales_that_let_weights_vanish_are_found(randomised: Callable) -> None:
    net = fold(randomised(DiracNet(SPECS[0])))
    record = calibrate(net, pictures(SPECS[0]), CIFAR, method=PLAIN)
    for factor in (1.1, 1e6):
        coarse = {
            name: replace(layer, weight=np.round(layer.weight / factor).astype(np.int8), scale=layer.scale * factor)
            for name, layer in record.layers.items()
        }
        phrases = list(mismatches(replace(record, layers=coarse), net))
        assert f"the quantization's steps of conv are up to {factor:.3g} times as large as it needs" in phrases


def test_a_record_comes_back_from_its_file_with_the_same_bytes(tmp_path: Path, randomised: Callable) -> None:
    net = fold(randomised(DiracNet(SPECS[1])))
    record = calibrate(net, pictures(SPECS[1]), CIFAR, method=PLAIN, origin={"source": "a test"})
    record.save(tmp_path / "a")
    loaded = Quantization.load(tmp_path / "a")
    loaded.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert loaded.activations == record.activations and loaded.calibration == record.calibration
    assert list(loaded.layers) == list(record.layers) and loaded.calibration["source"] == "a test"
    for name, layer in record.layers.items():
        for part in ("weight", "scale", "bias", "gain"):
            assert np.array_equal(getattr(loaded.layers[name], part), getattr(layer, part))


SCRIPT = """
import hashlib, sys, torch
from export import fold
from export.int8.calibration import BEST, calibrate
from zoo import build_from
from zoo.preprocessing import CIFAR
from zoo.reference import open_model
net = fold(build_from(open_model("diracnet10_cifar")[0]))
drawn = torch.randint(0, 256, (8, 16, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
calibrate(net, drawn, CIFAR, method=BEST).save(sys.argv[1])
print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_write_the_same_record(root: Path, tmp_path: Path) -> None:
    digests = []
    for seed in ("1", "2"):
        settings = {"OMP_NUM_THREADS": "3", "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / seed)],
            env={**os.environ, **settings}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        digests.append(done.stdout.strip())
    assert digests[0] == digests[1] == hashlib.sha256((tmp_path / "1").read_bytes()).hexdigest()


def test_a_record_of_another_net_is_refused(randomised: Callable) -> None:
    net, other = (fold(randomised(DiracNet(SPECS[0]), seed)) for seed in (0, 1))
    record = calibrate(net, pictures(SPECS[0]), CIFAR, method=PLAIN)
    assert "steps from the net's" in "; ".join(mismatches(record, other))
    assert list(mismatches(record, fold(randomised(DiracNet(SPECS[2]))))) == [
        "the quantization has other layers or activations than the net"
    ]
    narrow = fold(randomised(DiracNet(replace(SPECS[0], num_classes=3))))
    assert list(mismatches(record, narrow)) == ["the quantization's weight of fc has another shape than the net's"]
    layer = record.layers["conv"]
    weight = layer.weight.copy()
    weight[0, 0, 0, 0] -= 2 if weight[0, 0, 0, 0] > 0 else -2
    altered = replace(record, layers={**record.layers, "conv": replace(layer, weight=weight)})
    (phrase,) = mismatches(altered, net)
    assert phrase.startswith("the quantization's weight of conv is up to ")


def test_damaged_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no record of a quantization"):
        Quantization.load(tmp_path / "none")
    (tmp_path / "damaged").write_bytes(b"no safetensors")
    with pytest.raises(ValueError, match="is not a quantization record, or is damaged"):
        Quantization.load(tmp_path / "damaged")
    for scale, zero_point in ((0.0, 0), (-1.0, 0), (float("nan"), 0), (1.0, 256), (1.0, -1), (1.0, 5.0), (1.0, True)):
        with pytest.raises(ValueError, match="quantization parameters have a finite scale above 0"):
            QParams(scale, zero_point)
    parts = {
        "weight": np.zeros((2, 3), np.int8), "scale": np.ones(2, np.float32),
        "bias": np.zeros(2, np.int32), "gain": np.ones(2, np.float32),
    }  # fmt: skip
    QuantizedLayer(**parts)
    for change in (
        {"weight": np.zeros((2, 3), np.uint8)},
        {"bias": np.zeros(3, np.int32)},
        {"scale": np.zeros(2, np.float32)},
        {"gain": np.array([1, np.inf], np.float32)},
    ):
        with pytest.raises(ValueError, match=r"must be|not above zero"):
            QuantizedLayer(**{**parts, **change})


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2)),
        nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
        nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    ],
    ids=["no classifier", "no average pool", "begins with a ReLU", "groups", "no bias"],
)
def test_other_nets_are_refused(net: nn.Sequential) -> None:
    with pytest.raises(ValueError, match="can be quantized"):
        layers(net)


def test_no_pictures_are_refused(randomised: Callable) -> None:
    with pytest.raises(ValueError, match="no pictures to calibrate on"):
        calibrate(fold(randomised(DiracNet(SPECS[0]))), pictures(SPECS[0])[:0], CIFAR)


@pytest.mark.parametrize(
    "description",
    [
        {"grids": [], "layers": [], "calibration": {}},
        {"grids": {"x": [10**400, 0]}, "layers": [], "calibration": {}},
        {"grids": {"x": [1.0, 2.5]}, "layers": [], "calibration": {}},
        {"grids": {}, "layers": {"fc": 1}, "calibration": {}},
    ],
)
def test_a_damaged_record_is_a_clear_error(description: dict, tmp_path: Path) -> None:
    save_described(tmp_path / "record", {}, description, save_file)
    with pytest.raises(ValueError, match="record is not a quantization record, or is damaged"):
        Quantization.load(tmp_path / "record")
