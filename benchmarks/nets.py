"""The nets a DiracNet is compared with, and how each becomes ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
import torchvision
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import zoo
from export import emit, fold

SIZE = 224
_REPVGG = "Ding et al., arXiv 2101.03697, table 4"
_TIMM = "timm, results/results-imagenet.csv"
_TORCHVISION = "torchvision's weights"
_UPSTREAM = "the authors' README"


@dataclass(frozen=True)
class Net:
    """A net as it is deployed. Its weights are random, because they do not change its cost.

    Args:
        build: makes the net, in eval mode and folded as far as its own library folds it.
        top1: ImageNet accuracy of published weights, percent; None if there are none.
        source: where that figure is published.
    """

    build: Callable[[], nn.Module]
    top1: float | None = None
    source: str = ""


def _diracnet(name: str) -> nn.Module:
    return fold(zoo.get_model(name).eval())


def _torchvision(name: str) -> nn.Module:
    return cast(nn.Module, torchvision.models.get_model(name)).eval()


def _timm(name: str) -> nn.Module:
    import timm
    from timm.utils.model import reparameterize_model

    return reparameterize_model(timm.create_model(name, exportable=True).eval())


NETS: Mapping[str, Net] = {
    "DiracNet-18": Net(partial(_diracnet, "diracnet18"), 69.63, _UPSTREAM),
    "DiracNet-34": Net(partial(_diracnet, "diracnet34"), 72.21, _UPSTREAM),
    "DiracNet-18-0.75": Net(partial(_diracnet, "diracnet18_x0_75")),
    "DiracNet-18-0.5": Net(partial(_diracnet, "diracnet18_x0_5")),
    "ResNet-18": Net(partial(_torchvision, "resnet18"), 69.76, _TORCHVISION),
    "ResNet-34": Net(partial(_torchvision, "resnet34"), 73.31, _TORCHVISION),
    "VGG-11": Net(partial(_torchvision, "vgg11"), 69.02, _TORCHVISION),
    "RepVGG-A0": Net(partial(_timm, "repvgg_a0"), 72.41, _REPVGG),
    "MobileNetV3-large": Net(partial(_timm, "mobilenetv3_large_100"), 75.77, _TIMM),
    "ResNet-18 (timm)": Net(partial(_timm, "resnet18"), 70.84, f"{_TIMM}, resnet18.gluon_in1k"),
}
"""Name → net."""


def pictures(batch: int, size: int = SIZE) -> NDArray[np.float32]:
    """Return random input, (batch, 3, size, size), the same at each call."""
    return np.random.default_rng(0).standard_normal((batch, 3, size, size), dtype=np.float32)


def multiply_adds(module: nn.Module, size: int = SIZE) -> int:
    """Return the multiply-adds that convolutions and matrix products need for one picture."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.from_numpy(pictures(1, size)))
    return int(counter.get_total_flops()) // 2


def write_onnx(module: nn.Module, path: Path, *, free: bool = False) -> None:
    """Write a net as ONNX with a free batch size: ours with our own writer, others with torch.onnx.export.

    Args:
        module: the net.
        path: the file.
        free: whether height and width are free too; they always are in files of our own writer.
    """
    if isinstance(module, nn.Sequential):
        path.write_bytes(emit(module).SerializeToString())
    else:
        trace(module, path, free=free)


def trace(module: nn.Module, path: Path, *, free: bool = False) -> None:
    """Write a net as ONNX with torch.onnx.export."""
    with _quiet():
        shape: dict[int, Any] = {0: torch.export.Dim("batch")}
        if free:
            shape |= dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
        program = torch.onnx.export(
            module,
            (torch.from_numpy(pictures(2)),),
            input_names=["pixel_values"],
            output_names=["logits"],
            dynamic_shapes=(shape,),
            opset_version=20,
            dynamo=True,
            verbose=False,
        )
        cast(Any, program).save(str(path), external_data=False)


def quantize_as_all(source: Path, path: Path) -> None:
    """Quantize a graph with onnxruntime.quantization, with the same settings for all: static, QDQ, per-channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Noise(CalibrationDataReader):  # type: ignore[misc]
        """Eight random pictures."""

        def __init__(self) -> None:
            self._batches = iter([{"pixel_values": one[None]} for one in pictures(8)])

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(self._batches, None)

    prepared = path.with_suffix(".prepared.onnx")
    with _quiet():
        # ONNX Runtime's own fusions first, as its documentation recommends.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(str(prepared), str(path), Noise(), per_channel=True, **kinds)
    prepared.unlink()
    onnx.checker.check_model(str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings of other libraries."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
