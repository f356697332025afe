"""A net in float32 and int8, both as ONNX graphs in ONNX Runtime; and where its quantization is."""

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
from export.int8.record import Quantization
from export.int8.source import INT8
from export.int8.validation import mismatches
from export.layout import QUANTIZATION
from export.runtime.sessions import open_session
from zoo import Checkpoint, Preprocessing, Weight
from zoo.weights.hub import fetch_version
from zoo.weights.locate import weight_file
from zoo.weights.reference import File, Folder, Hub, parse_reference

FP32 = "fp32"
BATCH = 250
BESIDE = Path(QUANTIZATION).name
"""The name of a quantization beside a checkpoint file."""


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


def find_quantization(model: str, record: Weight | None, mirror: Path | None = None) -> Path | None:
    """Return the file of a net's quantization, or None if none is known.

    That is the registry's; or that of the bundle which the text names, in a folder or on the Hub; or, for a checkpoint
    file, `quantization.safetensors` beside it, or in `onnx/` beside it.

    Args:
        model: the net, as the user named it.
        record: the registry's record of its weights, if they have one.
        mirror: see `zoo.load_weight`.
    """
    try:
        if record is not None and INT8 in record.files:
            return weight_file(record, INT8, mirror)
        match parse_reference(model):
            case Folder(folder):
                places = [folder / QUANTIZATION]
            case File(path):
                places = [path.parent / BESIDE, path.parent / QUANTIZATION]
            case Hub(repository, revision):
                return fetch_version(repository, QUANTIZATION, revision=revision)[0]
            case _:
                places = []
    except FileNotFoundError:
        return None
    return next((path for path in places if path.is_file()), None)


def quantization_remedy(model: str, record: Weight | None) -> str:
    """Return the command after which a net whose quantization is not known can be measured in int8, with a remark.

    Args:
        model: the net, as the user named it.
        record: the registry's record of its weights, if they have one.
    """
    reference = parse_reference(model)
    if record is not None and record.folder is not None:
        return f"diracnet quantize {record.model}:{record.tag} --calibration DATA"
    if isinstance(reference, File):
        return f"diracnet quantize {model} --calibration DATA --out {reference.path.parent / BESIDE}"
    # A file more in a bundle would be none of its own.
    return f"diracnet export {model} --formats int8 --calibration DATA --out BUNDLE, and measure BUNDLE"


def _open(graph: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    return open_session(graph.SerializeToString(), threads, spinning=False, log_severity_level=3)
