"""The rewritten NCReLU: it computes the same with the rewritten kernel, at any gains; and the unit of biases."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from export.int8 import ncrelu
from export.int8.record import QParams, bias_scale
from zoo import NCReLU


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("side", [1, 3])
def test_kernel_and_values_compute_what_the_net_computes(channels: int, side: int) -> None:
    x, kernel = drawn(2, channels, 6, 7), drawn(4, 2 * channels, side, side, seed=1)
    expected = F.conv2d(NCReLU()(x), kernel, padding=side // 2)
    found = F.conv2d(ncrelu.values(x), ncrelu.kernel(kernel), padding=side // 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_an_identity_in_both_halves_stays_in_one() -> None:
    identity = torch.eye(3, dtype=torch.float64)
    small = 0.01 * drawn(3, 6)
    first, second = ncrelu.kernel(torch.cat((identity, identity), 1) + small).chunk(2, dim=1)
    assert (first.diagonal() > 0.9).all() and second.abs().max() < 0.1


def test_gains_are_those_of_the_scaled_values() -> None:
    x, gains = drawn(2, 4, 3, 3), drawn(4).abs() + 0.1
    scaled = ncrelu.values(x * gains.reshape(-1, 1, 1))
    assert torch.equal(scaled, ncrelu.values(x) * ncrelu.gains(gains).reshape(-1, 1, 1))


def test_halves_are_the_same_for_names_and_for_values() -> None:
    assert ncrelu.halves("x", lambda name: f"relu({name})") == ("x", "relu(x)")
    x = drawn(1, 2)
    assert torch.equal(ncrelu.values(x), torch.cat(ncrelu.halves(x, torch.relu), dim=1))


def test_the_unit_of_biases_is_exact_and_rounds_to_what_float32_gives() -> None:
    generator = np.random.default_rng(0)
    scales = np.exp(generator.uniform(-30, 5, 1000)).astype(np.float32)
    for value in (1e-6, 0.017, 3.0):
        qparams = QParams(value, 0)
        units = bias_scale(scales, qparams)
        assert units.dtype == np.float64
        exact = [Fraction(scale) * Fraction(qparams.scale) for scale in scales.tolist()]
        assert [Fraction(unit) for unit in units.tolist()] == exact
        assert np.array_equal(units.astype(np.float32), scales * np.float32(qparams.scale))
