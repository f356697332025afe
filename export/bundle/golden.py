"""Golden inputs and outputs, with which anyone can check a runtime without this package.

The pictures are generated from a seed with SHAKE-256 and the outputs are computed by `export.folding.exact`, so that
the file has the same bytes on every machine. The outputs are those of the exact net, rounded to float32; a runtime
differs from them by its own rounding.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from safetensors.torch import save
from torch import Tensor

from export.folding.chain import feature_sources
from export.folding.exact import evaluate_exactly
from export.folding.folded import FoldedNet
from export.layout import INPUT, OUTPUT, PICTURES
from pixels.mosaics import mosaics

CELLS = (2, 7)
"""Side lengths, in pixels, of the squares in the golden pictures, which are mosaics; there is one picture for each."""


def golden(folded: FoldedNet, features: Collection[str] = ()) -> dict[str, Tensor]:
    """Return the golden inputs and outputs of a net.

    Returns:
        `pictures`, uint8 [n, size, size, channels]; `pixel_values`, the same normalized, float32 [n, channels, size,
        size]; `logits`, float32 [n, classes]; and each feature under its own name.
    """
    preprocessing, net = folded.checkpoint.known_preprocessing(), folded.net
    pictures = torch.from_numpy(mosaics(preprocessing.size, len(preprocessing.mean), CELLS))
    batch = preprocessing.normalize(pictures.permute(0, 3, 1, 2)).contiguous()
    outputs = evaluate_exactly(net, batch)
    named = {name: outputs[leaf] for name, leaf in feature_sources(net, features).items()}
    last = next(reversed(outputs))
    results = {name: output.float().contiguous() for name, output in ({OUTPUT: outputs[last]} | named).items()}
    return {PICTURES: pictures, INPUT: batch, **results}


def to_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Return the contents of a safetensors file with these tensors; equal tensors give equal bytes."""
    return save(tensors)
