"""Microcontrollers: a net computes the same on a board, and in TensorFlow Lite Micro, as here."""

from pathlib import Path

import numpy as np
import pytest

import zoo
from export.c.source import Origin, write_c
from export.folding.folded import FoldedNet
from export.int8.source import known_quantization
from export.integer.net import lower
from export.integer.run import evaluate
from export.litert.int8 import emit_int8
from pixels.mosaics import mosaics
from runtimes.mcu.board import BOARDS, lacking, run_on
from runtimes.mcu.micro import run_micro
from zoo.preprocessing import CIFAR


@pytest.fixture(scope="module")
def folded() -> FoldedNet:
    return FoldedNet.of(zoo.load_weight(zoo.get_weight("diracnet16_cifar", "cifar10"), "folded"))


@pytest.mark.skipif(bool(lacking()), reason="no compiler or emulator for Cortex-M here; make mcu installs them")
def test_a_board_computes_the_same(folded: FoldedNet) -> None:
    net = lower(folded.net, known_quantization(folded, zoo.get_weight("diracnet16_cifar", "cifar10")), CIFAR)
    pictures = mosaics(32, 3, (4,))
    measured = run_on(BOARDS[0], write_c(net, Origin("net", "", "", None, ()), CIFAR), "net", pictures)
    np.testing.assert_array_equal(measured.logits, evaluate(net, pictures))
    # The net has 172,042 weights and 27 million multiply-adds.
    assert measured.stack < 512 and 172_042 < measured.flash < 200_000 and measured.instructions < 200e6


def test_the_arena_of_tensorflow_lite_micro_is_read(folded: FoldedNet, tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro")
    net = lower(folded.net, known_quantization(folded, zoo.get_weight("diracnet16_cifar", "cifar10")), CIFAR)
    (tmp_path / "model.tflite").write_bytes(emit_int8(net).to_bytes())
    pictures = mosaics(32, 3, (4,))
    logits, arena = run_micro(tmp_path / "model.tflite", (pictures.astype(np.int16) - 128).astype(np.int8))
    np.testing.assert_array_equal(logits, evaluate(net, pictures))
    assert 2 * 16_384 < arena < 60_000  # two maps side by side, and what the interpreter keeps beside them
