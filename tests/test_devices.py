"""Microcontrollers: the page is made of its figures, and a net computes the same on a board as here."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from benchmarks.comparators import TinyResNet, resnet20
from benchmarks.nets import multiply_adds
from export.c.source import Origin, write_c
from export.folding.folded import FoldedNet
from export.formats.table import FORMATS
from export.int8.source import known_quantization
from export.integer.net import lower
from export.integer.run import evaluate
from export.litert.int8 import emit_int8
from export.litert.interpreter import Interpreter
from pixels.mosaics import mosaics
from runtimes.mcu.board import BOARDS, lacking, run_on
from runtimes.mcu.comparison import bars, judged, ram
from runtimes.mcu.micro import run_micro
from runtimes.mcu.page import page
from runtimes.mcu.residual.calibrate import calibrate_residual, folded_residual
from runtimes.mcu.residual.emit import emit_residual
from runtimes.mcu.residual.measure import measure_residual
from zoo.preprocessing import CIFAR
from zoo.weights.record import all_weights

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULT = json.loads((DOCS / "devices.json").read_text(encoding="utf-8"))
SHIPPED = {f"{record.model}:{record.tag}" for record in all_weights().values() if record.folder}


def test_the_page_is_made_of_the_figures() -> None:
    assert (DOCS / "devices.md").read_text(encoding="utf-8") == page(RESULT)


def test_the_figures_are_of_all_shipped_nets_and_good() -> None:
    assert RESULT["nets"].keys() == SHIPPED
    for name, net in RESULT["nets"].items():
        top1 = zoo.get_weight(*name.split(":")).metrics["top1"]  # of other weights the figures would be stale
        assert net["accuracy"]["float32"] == pytest.approx(top1, abs=0.02)
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


def test_the_bars_are_met() -> None:
    # The time was a bar for processors with VNNI; without it, docs/devices.md says that it is missed.
    assert [text for text, _, _, met in judged(RESULT) if not met and not text.endswith("without VNNI")] == []


def test_a_bar_that_is_missed_is_told() -> None:
    name = "diracnet16_cifar:cifar10"
    slow = {**RESULT["nets"][name], "speed": {**RESULT["nets"][name]["speed"], "median": 4.1}}
    table = bars({**RESULT, "nets": {**RESULT["nets"], name: slow}})
    assert table.splitlines()[-1].endswith("| 4.1 | **no** |")


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


@pytest.mark.slow
def test_the_arena_of_tensorflow_lite_micro_is_read(folded: FoldedNet, tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro")
    net = lower(folded.net, known_quantization(folded, zoo.get_weight("diracnet16_cifar", "cifar10")), CIFAR)
    (tmp_path / "model.tflite").write_bytes(emit_int8(net).to_bytes())
    pictures = mosaics(32, 3, (4,))
    logits, arena = run_micro(tmp_path / "model.tflite", (pictures.astype(np.int16) - 128).astype(np.int8))
    np.testing.assert_array_equal(logits, evaluate(net, pictures))
    recorded = RESULT["nets"]["diracnet16_cifar:cifar10"]["micro"]["arena"]
    assert arena == pytest.approx(recorded, rel=0.05)  # its releases may need a few bytes more or less


def trained_a_little(net: TinyResNet) -> TinyResNet:
    """Return a net whose BatchNorms have seen something and scale it."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
    net.train()
    for _ in range(5):
        net(torch.randn(32, 3, 32, 32))
    return net.eval()


@pytest.mark.parametrize("build", [TinyResNet, pytest.param(resnet20, marks=pytest.mark.slow)])
def test_a_residual_net_in_int8_computes_what_the_float_net_computes(build, tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        net = trained_a_little(build(zoo.get_weight("diracnet10_cifar", "cifar10").spec))
    folded = folded_residual(net)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    pictures = mosaics(32, 3, (2, 5, 7))
    values = CIFAR.normalize(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    with torch.inference_mode():
        expected = net(values)
        torch.testing.assert_close(folded(values), expected, rtol=1e-4, atol=1e-4)
    record = calibrate_residual(folded, torch.from_numpy(mosaics(32, 3, (1, 2, 3, 4))), CIFAR, {})
    model = tmp_path / "model.tflite"
    model.write_bytes(emit_residual(folded, record, CIFAR).to_bytes())
    codes = (pictures.astype(np.int16) - 128).astype(np.int8)
    reference = Interpreter(model, "reference")
    logits, _ = run_micro(model, codes)
    np.testing.assert_array_equal(logits, reference.run(codes))
    scale, zero_point = reference.output["quantization"]
    error = np.abs(scale * (logits.astype(np.float64) - zero_point) - expected.numpy()).max()
    assert error < 0.05 * expected.abs().max()


@pytest.mark.slow
def test_the_figures_of_resnet8_are_those_that_are_recorded() -> None:
    pytest.importorskip("tflite_micro")
    found, recorded = measure_residual([], None, 1, lambda text: None), RESULT["residual"]["nets"]
    for name, net in found.items():
        assert net["micro"]["differing_logits"] == recorded[name]["micro"]["differing_logits"] == 0
        assert net["micro"]["arena"] == pytest.approx(recorded[name]["micro"]["arena"], rel=0.05)
        assert net["multiply_adds"] == recorded[name]["multiply_adds"]
    assert found["resnet8"]["multiply_adds"] == pytest.approx(12.5e6, rel=0.01)  # as MLPerf Tiny says


def test_multiply_adds_are_counted() -> None:
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=2, padding=1), torch.nn.Flatten())
    assert multiply_adds(layers, CIFAR.size) == 16 * 16 * 4 * 27


def test_a_run_of_another_net_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no finished run"):
        measure_residual([tmp_path], None, 1, lambda text: None)
    (tmp_path / "result.json").write_text("{}")
    (tmp_path / "run.json").write_text('{"net": "DiracNet"}')
    with pytest.raises(ValueError, match=r"holds a run of another net; allowed are resnet8, resnet20"):
        measure_residual([tmp_path], None, 1, lambda text: None)
