"""What is compared with what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import cast

import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

import zoo
from benchmarks.first_answer import first_answer
from benchmarks.int8 import speed_case
from benchmarks.pairs import Case
from export import emit, fold
from zoo.conv import plain_conv


def cases() -> Iterator[Case]:
    """Yield the cases one by one, so that only one holds memory."""
    with first_answer() as case:
        yield case
    yield _training_step()
    net = zoo.get_model("diracnet18").eval()
    folded = cast(nn.Sequential, fold(net))
    picture = torch.randn(1, 3, 224, 224)
    yield Case(
        "DiracNet-18, 224×224, batch 1, PyTorch: folded / training form",
        _inference(folded, picture),
        _inference(net, picture),
        rounds=20,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that spin while they wait would steal the processor from the other one of the pair.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = emit(folded, {}).SerializeToString()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    feed = {"pixel_values": picture.numpy()}
    yield Case(
        "DiracNet-18, 224×224, batch 1: folded in ONNX Runtime / folded in PyTorch",
        lambda: session.run(None, feed),
        _inference(folded, picture),
        rounds=20,
    )
    yield speed_case(rounds=20)


def _training_step() -> Case:
    """A step of the 28-layer CIFAR net against the same net with plain convolutions."""
    dirac = zoo.get_model("diracnet28_cifar").to(memory_format=torch.channels_last)
    plain = deepcopy(dirac)
    for name, module in dirac.named_modules():
        if isinstance(module, zoo.DiracConv2d):
            plain.set_submodule(name, plain_conv(module, module.weight, None))
    images = torch.randn(128, 3, 32, 32).to(memory_format=torch.channels_last)
    targets = torch.randint(10, (128,))
    return Case(
        "28-layer CIFAR net, batch 128: Dirac training step / plain training step",
        _step(dirac, images, targets),
        _step(plain, images, targets),
        rounds=20,
    )


def _step(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> Callable[[], None]:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), targets).backward()
        optimizer.step()

    return step


def _inference(model: nn.Module, images: torch.Tensor) -> Callable[[], object]:
    def infer() -> object:
        with torch.inference_mode():
            return model(images)

    return infer
