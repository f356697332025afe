"""Measuring the shipped checkpoints again: what is told of figures that hold, differ, or cannot be measured."""

import pytest

from benchmarks import checkpoints
from benchmarks.checkpoints import Comparison, DifferentFiguresError, compare, main


def test_checkpoints_without_their_data_stay_unmeasured() -> None:
    found = list(compare(["digits"]))
    assert {one.form for one in found} == {"dirac", "folded"} and all(one.measured is None for one in found)
    with pytest.raises(ValueError, match="no checkpoint was measured on digits"):
        main(["digits"])


@pytest.mark.parametrize(("measured", "differs"), [(86.36, False), (86.40, False), (86.42, True), (float("nan"), True)])
def test_a_figure_that_differs_is_an_error(measured: float, differs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Comparison("net:tag", "dirac", 86.36, measured)
    assert one.differs == differs
    monkeypatch.setattr(checkpoints, "compare", lambda data: [one])
    if differs:
        with pytest.raises(DifferentFiguresError, match=r"more than 0\.05 points from the manifest: net:tag \(dirac\)"):
            main(["digits"])
    else:
        main(["digits"])
