"""The calibration error and the temperature, compared with scikit-learn's and SciPy's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from zoo.preprocessing import TEMPERATURES
from zoo.training.calibration import BINS, Bin, calibration_error, fit_temperature, reliability
from zoo.training.evaluate import Answers


def answers(classes: int = 10, count: int = 500, scale: float = 3.0, seed: int = 0) -> Answers:
    """Answers that are right more often than not, and too sure of it."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, classes, (count,), generator=generator)
    logits = torch.randn(count, classes, generator=generator) + 1.5 * torch.eye(classes)[targets]
    return Answers(scale * logits, targets)


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_error_is_that_of_scikit_learns_bins(classes: int, temperature: float) -> None:
    given = answers(classes)
    confidence = torch.softmax(given.logits.double() / temperature, 1).amax(1).numpy()
    shares, means = calibration_curve(given.right.numpy(), confidence, n_bins=BINS, strategy="uniform")
    counts = np.bincount(np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence), minlength=BINS)
    expected = 100 * (counts[counts > 0] / len(confidence) * abs(shares - means)).sum()
    bins = reliability(given, temperature)
    assert calibration_error(bins) == pytest.approx(expected, abs=1e-6)
    assert sum(each.pictures for each in bins) == len(confidence)


def test_probabilities_at_the_ends_are_in_a_bin() -> None:
    sure = Answers(torch.tensor([[2000.0, 0.0], [0.0, 2000.0], [0.0, 0.0]]), torch.tensor([0, 0, 0]))
    assert reliability(sure) == [Bin(1, 50.0, 100.0), Bin(2, 100.0, 50.0)]
    assert calibration_error(reliability(sure)) == pytest.approx(50)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0, 8.0])
def test_the_temperature_is_the_one_that_scipy_finds(scale: float) -> None:
    given = answers(scale=scale)

    def loss(temperature: float) -> float:
        return log_loss(given.targets.numpy(), (given.logits.double() / temperature).softmax(1).numpy())

    found = fit_temperature(given)
    assert found == pytest.approx(minimize_scalar(loss, bounds=TEMPERATURES, options={"xatol": 1e-8}).x, rel=1e-4)
    assert fit_temperature(replace(given, logits=2 * given.logits)) == pytest.approx(2 * found)


def test_a_temperature_lowers_the_error_and_keeps_the_classes() -> None:
    given = answers(count=5000)
    temperature = fit_temperature(given)
    scaled = replace(given, logits=given.logits / temperature)
    assert torch.equal(scaled.predicted, given.predicted)
    assert calibration_error(reliability(scaled)) < 3 < 10 < calibration_error(reliability(given))


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_are_all_right_or_all_wrong_have_no_temperature(right: bool) -> None:
    logits = torch.eye(3)
    with pytest.raises(ValueError, match=r"no temperature between 0\.05 and 20 suits these 3 answers"):
        fit_temperature(Answers(logits if right else -logits, torch.arange(3)))
