"""Ways to run a net. Each returns a call without arguments that computes one batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from export.runtime.sessions import open_session

THREADS = 2
Call = Callable[[], object]


def onnx_runtime(model: Path | bytes, batch: NDArray[Any], threads: int = THREADS) -> Call:
    """Return a call of ONNX Runtime on the processor."""
    # Threads that spin while they wait would take processor time from the other calls of a round.
    session = open_session(model, threads, spinning=False, log_severity_level=3)
    feed = {session.get_inputs()[0].name: batch}
    return lambda: session.run(None, feed)


def openvino(model: Path, batch: NDArray[Any], threads: int = THREADS) -> Call:
    """Return a call of OpenVINO on the processor, in float32 even if its default is bfloat16."""
    import openvino as ov

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": str(threads),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = ov.Core().compile_model(ov.Core().read_model(str(model)), "CPU", settings)
    return lambda: compiled([batch])


def eager(module: nn.Module, batch: NDArray[Any]) -> Call:
    """Return a call of eager PyTorch, in the memory format that suits its convolutions."""
    net = module.to(memory_format=torch.channels_last)
    given = torch.from_numpy(batch).to(memory_format=torch.channels_last)

    def infer() -> object:
        with torch.inference_mode():
            return net(given)

    return infer


def compiled(module: nn.Module, batch: NDArray[Any]) -> Call:
    """Return a call of PyTorch with torch.compile."""
    call = torch.compile(module.to(memory_format=torch.channels_last), dynamic=False)
    given = torch.from_numpy(batch).to(memory_format=torch.channels_last)

    def infer() -> object:
        with torch.no_grad():
            return call(given)

    return infer
