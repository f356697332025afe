"""docs/int8.md: made of its figures, which are those of the shipped files, and which are good enough."""

import json
from pathlib import Path
from typing import cast

import pytest
from torch import nn

from benchmarks.int8.measure import HELD_OUT, STEPS, layers, measure_overflow
from benchmarks.int8.page import page
from export import fold
from export.formats.table import FORMATS
from export.int8.calibration import BEST
from export.int8.record import Quantization
from zoo import DiracNet, Weight, build_from
from zoo.weights.locate import load_weight, weight_file
from zoo.weights.record import all_weights

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULT = json.loads((DOCS / "int8.json").read_text(encoding="utf-8"))
SHIPPED = [pytest.param(record, id=":".join(key)) for key, record in all_weights().items() if record.folder]


def test_the_page_is_made_of_the_figures() -> None:
    assert (DOCS / "int8.md").read_text(encoding="utf-8") == page(RESULT)
    assert set(RESULT["nets"]) <= {f"{model}:{tag}" for model, tag in all_weights()}


@pytest.mark.parametrize("record", SHIPPED)
def test_every_shipped_net_keeps_its_accuracy_in_int8(record: Weight) -> None:
    figures = RESULT["nets"][f"{record.model}:{record.tag}"]
    shipped = figures["steps"][-1]
    limits = FORMATS["int8"].limits
    assert figures["top1"] - shipped["top1"] <= limits.top1 == 0.3
    assert shipped["agreement"] >= 100 - limits.disagreement == 97.5


@pytest.mark.parametrize("name", RESULT["overflow"])
def test_int8_is_the_same_on_processors_without_vnni(name: str) -> None:
    there, figures = RESULT["overflow"][name], RESULT["nets"][name]
    assert there["record_sha256"] == figures["record_sha256"], f"measure it: python -m benchmarks.int8 overflow {name}"
    assert not there["vnni"]
    assert there["with"]["top1"] == pytest.approx(figures["steps"][-1]["top1"], abs=0.05)
    assert there["with"]["agreement"] == pytest.approx(figures["steps"][-1]["agreement"], abs=0.1)
    assert there["without"]["agreement"] < there["with"]["agreement"]


def test_overflow_is_measured_where_it_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.int8.measure.has_vnni", lambda: True)
    with pytest.raises(ValueError, match="int8 does not overflow there; measure on an x86 processor without VNNI"):
        measure_overflow("diracnet10_cifar:cifar10", "digits")


@pytest.mark.parametrize("record", SHIPPED)
def test_the_figures_are_those_of_the_shipped_files(record: Weight) -> None:
    figures = RESULT["nets"][f"{record.model}:{record.tag}"]
    assert figures["record_sha256"] == record.files["int8"].sha256
    quantization = Quantization.load(weight_file(record, "int8"))
    assert figures["calibration"] == quantization.calibration
    assert quantization.calibration["method"] == BEST.__dict__
    assert figures["dataset"] == record.dataset
    assert figures["test_sha256"] == record.provenance["data_sha256"]["test"]
    assert figures["top1"] == pytest.approx(record.metrics["top1"], abs=0.05)
    assert figures["test_pictures"] >= 1000 and figures["held_out_pictures"] == HELD_OUT
    assert [row["step"] for row in figures["steps"]] == list(STEPS)
    # What was chosen has the least noise on the pictures that it was chosen on.
    assert figures["steps"][-1]["held_out_noise"] == min(row["held_out_noise"] for row in figures["steps"])


@pytest.mark.parametrize("record", SHIPPED)
def test_the_table_of_layers_is_that_of_the_weights(record: Weight) -> None:
    net = build_from(load_weight(record, "dirac"))
    found = list(layers(cast(DiracNet, net), cast(nn.Sequential, fold(net))))
    for row, figures in zip(found, RESULT["nets"][f"{record.model}:{record.tag}"]["layers"], strict=True):
        assert row["layer"] == figures["layer"]
        assert all(row[key] == pytest.approx(figures[key], rel=1e-5) for key in row if key != "layer")
        assert 1 <= row["crest"] <= row["single_weight"] * (1 + 1e-6)


def test_int8_is_twice_as_fast() -> None:
    assert RESULT["speed"].get("vnni", True) and RESULT["speed"]["median"] >= 2.0 and RESULT["speed"]["rounds"] >= 20
    assert "2 threads: fp32 / int8" in RESULT["speed"]["name"]
