"""docs/figures.md: made of its figures, which are those of the shipped files and fit each other."""

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.figures.corruptions import CORRUPTIONS
from benchmarks.figures.measure import SEVERITIES
from benchmarks.figures.page import NONE, corrupted_mean, page, plot_name, results
from zoo import Weight
from zoo.training.calibration import BINS, Bin, calibration_error
from zoo.weights.record import all_weights

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULT = json.loads((DOCS / "figures.json").read_text(encoding="utf-8"))
SHIPPED = [pytest.param(record, id=":".join(key)) for key, record in all_weights().items() if record.folder]


def test_the_page_is_made_of_the_figures() -> None:
    assert (DOCS / "figures.md").read_text(encoding="utf-8") == page(RESULT)
    assert set(RESULT["nets"]) <= {f"{model}:{tag}" for model, tag in all_weights()}
    assert {path.name for path in (DOCS / "figures").iterdir()} == {plot_name(name) for name in RESULT["nets"]}


@pytest.mark.parametrize("record", SHIPPED)
def test_the_figures_are_those_of_the_shipped_files(record: Weight) -> None:
    figures = RESULT["nets"][f"{record.model}:{record.tag}"]
    assert figures["weights_sha256"] == record.digests and figures["dataset"] == record.dataset
    assert figures["test_sha256"] == record.provenance["data_sha256"]["test"]
    assert tuple(figures["classes"]) == record.labels
    assert record.temperature == figures["temperature"] and len(figures["temperatures_of_halves"]) == 2
    assert figures["fp32"]["metrics"]["top1"] == pytest.approx(record.metrics["top1"], abs=0.05)
    assert figures["fp32"]["metrics"]["loss"] == pytest.approx(record.metrics["loss"], abs=1e-3)
    with Image.open(DOCS / "figures" / plot_name(f"{record.model}:{record.tag}")) as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize("record", SHIPPED)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_figures_fit_each_other(record: Weight, precision: str) -> None:
    net = RESULT["nets"][f"{record.model}:{record.tag}"]
    found = net[precision]
    classes = results(net, precision)
    assert sum(each.pictures for each in classes) == net["test_pictures"]
    right = 100 * sum(each.right for each in classes) / net["test_pictures"]
    assert right == pytest.approx(found["metrics"]["top1"])
    for each in found["calibration"].values():
        bins = [Bin(**one) for one in each["bins"]]
        assert len(bins) <= BINS and sum(one.pictures for one in bins) == net["test_pictures"]
        assert calibration_error(bins) == pytest.approx(each["error"])
    computed, scaled = (found["calibration"][key] for key in ("as computed", "with temperature"))
    assert computed["loss"] == pytest.approx(found["metrics"]["loss"]) and scaled["loss"] < computed["loss"]
    assert set(found["corruptions"]) == {NONE, *CORRUPTIONS}
    for name in CORRUPTIONS:
        assert list(found["corruptions"][name]) == list(map(str, SEVERITIES))
    assert corrupted_mean(found) < found["corruptions"][NONE]


@pytest.mark.parametrize("record", SHIPPED)
def test_int8_stands_corruptions_as_float32_does(record: Weight) -> None:
    net = RESULT["nets"][f"{record.model}:{record.tag}"]
    assert corrupted_mean(net["fp32"]) - corrupted_mean(net["int8"]) < 1
    assert (
        abs(
            net["fp32"]["calibration"]["with temperature"]["error"]
            - net["int8"]["calibration"]["with temperature"]["error"]
        )
        < 1
    )
