"""The running average of the weights, in short runs and long ones."""

import dataclasses
from pathlib import Path

import pytest
from torch import nn

from zoo.training.data import Dataset
from zoo.training.loop import train
from zoo.training.recipes import RECIPES
from zoo.training.state import running_average


def averages(decay: float, values: list[float]) -> list[float]:
    """Return the running average after each of these values of a weight."""
    net = nn.Linear(1, 1, bias=False)
    average, found = running_average(net, decay), []
    for value in values:
        net.weight.data.fill_(value)
        average.update_parameters(net)
        found.append(average.module.weight.item())
    return found


def test_the_first_steps_count_less() -> None:
    assert averages(0.999, [8.0, 30.0, 14.0]) == pytest.approx([8.0, (2 * 8 + 9 * 30) / 11, (3 * 26 + 9 * 14) / 12])
    assert averages(0.1, [8.0, 30.0]) == pytest.approx([8.0, 0.1 * 8 + 0.9 * 30])


def test_the_decay_becomes_the_given_one() -> None:
    flat = averages(0.9, [5.0] * 100 + [6.0])
    assert flat[:100] == pytest.approx([5.0] * 100) and flat[100] == pytest.approx(5.1)


def test_a_short_run_learns_with_a_slow_average(few_digits: Dataset, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPES["digits"], epochs=3, batch_size=16)
    without, averaged = (
        train(dataclasses.replace(recipe, ema=ema), few_digits, tmp_path / str(ema))["metrics"]["top1"]
        for ema in (0.0, 0.9999)
    )
    assert averaged >= without - 5 > 80


def test_it_averages_batchnorm_too() -> None:
    net = nn.BatchNorm1d(1)
    average = running_average(net, 0.5)
    for value in (2.0, 4.0):
        net.running_mean.fill_(value)
        average.update_parameters(net)
    assert average.module.running_mean.item() == pytest.approx((2 * 2 + 9 * 4) / 11)
