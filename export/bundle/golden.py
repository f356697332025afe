"""Golden inputs: pictures with the outputs that any runtime must give for them, so that nobody needs us to check one.

The pictures follow from a seed by SHAKE-256 and the outputs from `export.folding.exact`, so that the file has the same
bytes wherever it is made. Rounded to float32 the outputs are those of the exact net; a runtime differs by its own
rounding.
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
"""The golden pictures are mosaics: for each of these, one of squares with sides of this many pixels."""


def golden(folded: FoldedNet, features: Collection[str] = ()) -> dict[str, Tensor]:
    """Return golden inputs and outputs of a net.

    Returns:
        `pictures`, uint8 [n, size, size, channels]; `pixel_values`, the same normalized, float32 [n, channels, size,
        size]; `logits`, float32 [n, classes]; and each feature by its name.
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
    """Return the contents of a safetensors file; equal tensors give equal bytes."""
    return save(tensors)
