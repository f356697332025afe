"""Figures as text."""

import pytest

from zoo.metrics import METRICS, figure, figures


def test_figures_stand_in_the_order_of_the_metrics() -> None:
    metrics = {"epoch": 3, "loss": 0.31, "top5": 99.1, "top1": 91.204}
    assert figures(metrics) == "top-1 91.20%, top-5 99.10%, loss 0.3100"
    assert figures({"lr": 0.1}) == ""
    assert [*METRICS] == ["top1", "top5", "loss"]


def test_a_figure_has_its_unit() -> None:
    assert (figure("top1", 91.204), figure("loss", 0.31)) == ("91.20%", "0.31 nats")
    with pytest.raises(ValueError, match="no metric is named 'top3'; there are top1, top5, loss"):
        figure("top3", 1.0)
