"""Proof that a folded file computes what its training form computes; needs neither onnx nor ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import torch

from export.folding.fold import fold, layer_errors
from export.folding.folded import FoldedNet
from export.layout import FOLD_TOLERANCE
from export.proof.check import Check
from export.proof.error import relative_error
from export.proof.inputs import BATCHES, oblong, random_batch
from zoo import Checkpoint, build_from

FOLD_FLOAT64 = 1e-10
"""Limit on the difference between the logits when the net is folded and run in float64, relative to the largest."""


def check_fold(source: Checkpoint, folded: FoldedNet) -> Iterator[Check]:
    """Yield two checks against the training form: one of the algorithm in float64, one of the folded file.

    Both use small pictures, because a mistake in folding shows at any size.
    """
    exact = build_from(source).double()
    batch = random_batch(source.spec, BATCHES[-1], oblong(source.spec)).double()
    with torch.inference_mode():
        expected = exact(batch).numpy()
    for name, candidate, limit in (
        ("training form / folded, float64", fold(exact), FOLD_FLOAT64),
        ("training form in float64 / folded file", deepcopy(folded.net).double(), FOLD_TOLERANCE),
    ):
        with torch.inference_mode():
            error = relative_error([expected], [candidate(batch).numpy()])
        worst = max(layer_errors(exact, candidate, batch), key=lambda layer: layer.error)
        yield Check(name, error, limit, f"worst layer {worst.layer}, {worst.error:.1e}")
