"""docs/figures.md: made of its figures, which are those of the shipped files and fit each other."""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.figures.__main__ import _corrupted
from benchmarks.figures.manifests import summary, write_manifests
from benchmarks.figures.page import page, plot_name, results
from export.commands.evaluate import CORRUPTED
from export.figures.corruptions import CORRUPTIONS
from export.figures.measure import NONE, SEVERITIES, corrupted_mean
from zoo import Weight
from zoo.files import write_json
from zoo.training.calibration import BINS, Bin, calibration_error
from zoo.weights.record import MANIFEST, all_weights

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
    assert record.figures == summary(figures)  # `python -m benchmarks.figures page` writes them
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
    assert computed["loss"] == pytest.approx(found["metrics"]["loss"])
    low, high = sorted(net["temperatures_of_halves"])
    if low < 1 < high:  # a temperature can bring nothing
        assert scaled["loss"] == pytest.approx(computed["loss"], rel=1e-3)
    else:
        assert scaled["loss"] < computed["loss"]
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


@pytest.mark.parametrize("record", SHIPPED)
def test_the_zoos_card_has_the_figures(record: Weight) -> None:
    net = RESULT["nets"][f"{record.model}:{record.tag}"]
    card = (DOCS.parent / "MODEL_CARD.md").read_text(encoding="utf-8")
    _, section = card.split(f"### {record.model}:{record.tag}\n")
    section = section.split("\n#")[0]
    for precision in ("fp32", "int8"):
        calibration = net[precision]["calibration"]
        before, after = (calibration[key]["error"] for key in ("as computed", "with temperature"))
        assert f"{before:.2f}% → {after:.2f}% in {precision}" in section
        untouched = f"({net[precision]['corruptions'][NONE]:.2f}% untouched)"
        assert f"{corrupted_mean(net[precision]):.2f}% in {precision} {untouched}" in section
    assert f"on the same {net['corrupted_pictures']:,} test pictures. [docs/figures.md](docs/figures.md)" in section


def test_manifests_follow_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = SHIPPED[0].values[0]
    model = f"{record.model}:{record.tag}"
    folder = tmp_path / record.model / record.tag
    folder.mkdir(parents=True)
    stale = replace(record, folder=folder, figures={}, temperature=2.0)
    monkeypatch.setattr("benchmarks.figures.manifests.get_weight", lambda name, tag: stale)
    write_manifests({model: RESULT["nets"][model]})
    assert (folder / MANIFEST).read_bytes() == (record.folder / MANIFEST).read_bytes()
    damaged = deepcopy(record.to_manifest())
    damaged["figures"]["int8"]["corrupted_top1"] = 101
    write_json(folder / MANIFEST, damaged)
    with pytest.raises(ValueError, match=r"figures\.int8\.corrupted_top1=101: must be a number from 0 to 100"):
        Weight.from_manifest(folder / MANIFEST)


def test_all_nets_of_the_page_are_measured_on_as_many_corrupted_pictures() -> None:
    assert (_corrupted(None, set()), _corrupted(300, set())) == (CORRUPTED, 300)
    assert (_corrupted(None, {500}), _corrupted(500, {500})) == (500, 500)
    with pytest.raises(ValueError, match="2000: the other nets of the page were measured on 500; leave it out"):
        _corrupted(2000, {500})
