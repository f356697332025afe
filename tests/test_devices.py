"""Microcontrollers: the page is made of its figures, and a net computes the same on a board as here."""

import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from export.c.source import Origin, write_c
from export.folding.folded import FoldedNet
from export.formats.table import FORMATS
from export.int8.source import known_quantization
from export.integer.net import lower
from export.integer.run import evaluate
from export.litert.int8 import emit_int8
from pixels.mosaics import mosaics
from runtimes.mcu.board import BOARDS, lacking, run_on
from runtimes.mcu.micro import run_micro
from runtimes.mcu.page import page, ram
from zoo.preprocessing import CIFAR
from zoo.weights.record import all_weights

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULT = json.loads((DOCS / "devices.json").read_text(encoding="utf-8"))
SHIPPED = {f"{record.model}:{record.tag}" for record in all_weights().values() if record.folder}


def test_the_page_is_made_of_the_figures() -> None:
    assert (DOCS / "devices.md").read_text(encoding="utf-8") == page(RESULT)


def test_the_figures_are_of_all_shipped_nets_and_good() -> None:
    assert RESULT["nets"].keys() == SHIPPED
    for net in RESULT["nets"].values():
        assert net["boards"].keys() == {board.name for board in BOARDS}
        assert net["scratch"] <= net["largest_map"] + 4 * net["row"]
        assert ram(net) < 0.75 * net["micro"]["arena"]
        assert all(found["differing_logits"] == 0 for found in (*net["boards"].values(), net["micro"]))


def test_int8_keeps_the_accuracy_of_the_float_net() -> None:
    measured = [net["accuracy"] for net in RESULT["nets"].values() if "accuracy" in net]
    limits = FORMATS["int8"].limits
    assert measured
    for found in measured:
        assert found["differing_logits"] == 0 < found["reference_pictures"] < found["pictures"]
        assert min(found["int8"], found["litert_default"]) >= found["float32"] - limits.top1
        assert found["agreement"] >= 100 - limits.disagreement


def test_a_page_without_accuracies_says_so() -> None:
    nets = {name: {key: net[key] for key in net if key != "accuracy"} for name, net in RESULT["nets"].items()}
    assert "Not measured here" in page({**RESULT, "nets": nets})


@pytest.fixture(scope="module")
def folded() -> FoldedNet:
    return FoldedNet.of(zoo.load_weight(zoo.get_weight("diracnet16_cifar", "cifar10"), "folded"))


@pytest.mark.skipif(bool(lacking()), reason="no compiler or emulator for Cortex-M here; make mcu installs them")
def test_a_board_computes_the_same(folded: FoldedNet) -> None:
    net = lower(folded.net, known_quantization(folded, zoo.get_weight("diracnet16_cifar", "cifar10")), CIFAR)
    pictures = mosaics(32, 3, (4,))
    measured = run_on(BOARDS[0], write_c(net, Origin("net", "", "", None, ()), CIFAR), "net", pictures)
    np.testing.assert_array_equal(measured.logits, evaluate(net, pictures))
    recorded = RESULT["nets"]["diracnet16_cifar:cifar10"]["boards"][BOARDS[0].name]
    assert measured.stack < 512 and measured.flash == pytest.approx(recorded["flash"], rel=0.05)
    assert measured.instructions == pytest.approx(recorded["instructions"], rel=0.05)


def test_the_arena_of_tensorflow_lite_micro_is_read(folded: FoldedNet, tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro")
    net = lower(folded.net, known_quantization(folded, zoo.get_weight("diracnet16_cifar", "cifar10")), CIFAR)
    (tmp_path / "model.tflite").write_bytes(emit_int8(net).to_bytes())
    pictures = mosaics(32, 3, (4,))
    logits, arena = run_micro(tmp_path / "model.tflite", (pictures.astype(np.int16) - 128).astype(np.int8))
    np.testing.assert_array_equal(logits, evaluate(net, pictures))
    recorded = RESULT["nets"]["diracnet16_cifar:cifar10"]["micro"]["arena"]
    assert arena == pytest.approx(recorded, rel=0.05)  # its releases may need a few bytes more or less
