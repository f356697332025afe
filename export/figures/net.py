"""A net in float32 and int8, both as ONNX graphs in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
import torch
from torch import Tensor

from export.folding.folded import FoldedNet
from export.formats.format import Run
from export.formats.onnx import given_pictures
from export.graphs.emit import emit
from export.int8.graph import quantize
from export.int8.places import INT8
from export.int8.record import Quantization
from export.int8.validation import mismatches
from export.runtime.sessions import open_session
from zoo import Checkpoint, Preprocessing

FP32 = "fp32"
BATCH = 250


@dataclass(frozen=True)
class Net:
    """A net in the precisions in which it can be measured.

    Args:
        how: how pictures become its input.
        precisions: "fp32", and "int8" if its quantization is known → what computes its logits.
    """

    how: Preprocessing
    precisions: Mapping[str, Run]

    @classmethod
    def of(cls, source: Checkpoint, quantization: Path | None, *, threads: int = 0) -> Net:
        """Return a checkpoint's net.

        Args:
            source: the net, in training form or folded.
            quantization: the file of its quantization; None for float32 alone.
            threads: how many ONNX Runtime uses; 0 lets it choose.

        Raises:
            ValueError: the net does not say how pictures become its input, or the quantization is another net's.
        """
        how, folded = source.known_preprocessing(), FoldedNet.of(source)
        graph = emit(folded.net)
        graphs = {FP32: graph}
        if quantization is not None:
            record = Quantization.load(quantization)
            for phrase in mismatches(record, folded.net):
                raise ValueError(
                    f"{quantization} is the quantization of another net: {phrase}; make this net's with diracnet "
                    "quantize"
                )
            graphs[INT8] = quantize(graph, record)
        return cls(how, {name: given_pictures(_open(each, threads), how) for name, each in graphs.items()})

    def logits(self, precision: str, images: Tensor, on_batch: Callable[[int], None] = lambda done: None) -> Tensor:
        """Return the logits of uint8 pictures of the net's size, (n, size, size, channels).

        Args:
            precision: a key of `precisions`.
            images: the pictures.
            on_batch: called after each batch with the number of pictures in it.
        """
        found = []
        for part in images.split(BATCH):
            found.append(self.precisions[precision](part.permute(0, 3, 1, 2)))
            on_batch(len(part))
        return torch.cat(found)


def _open(graph: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    return open_session(graph.SerializeToString(), threads, spinning=False, log_severity_level=3)
