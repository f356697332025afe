"""A folded net with its checkpoint: built once and passed along, so that nothing is folded or built twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import nn

from export.folding.fold import fold
from zoo import Checkpoint, build_from


@dataclass(frozen=True, eq=False)
class FoldedNet:
    """A folded checkpoint and the plain net that it holds.

    Args:
        checkpoint: the weights, in folded form.
        net: the chain with its weights, in eval mode.
    """

    checkpoint: Checkpoint
    net: nn.Sequential

    @classmethod
    def of(cls, source: Checkpoint) -> FoldedNet:
        """Fold a checkpoint, or take it as it is if it is folded already.

        Raises:
            ValueError: its weights do not fit its spec.
        """
        with torch.inference_mode(False):
            net = build_from(source)
            if source.form == "folded":
                return cls(source, cast(nn.Sequential, net))
            folded = cast(nn.Sequential, fold(net))
        return cls(replace(source, form="folded", state=folded.state_dict()), folded)
