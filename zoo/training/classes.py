"""What is done with the indices of classes: drawing a share of each class, and giving classes other numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def renumbered(targets: Tensor, classes: Sequence[str], among: Sequence[str]) -> Tensor:
    """Return the indices of the same classes, told by their names, in a list that has them all.

    Example:
        >>> renumbered(torch.tensor([0, 1, 1]), ("cat", "fox"), among=("fox", "dog", "cat")).tolist()
        [2, 0, 0]
    """
    place = {label: index for index, label in enumerate(among)}
    return torch.tensor([place[label] for label in classes])[targets]


def split_classes(targets: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the positions of (rest, held out) where the second has this share of each class, drawn by the seed."""
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(targets), dtype=torch.bool)
    for target in range(int(targets.max()) + 1):
        members = (targets == target).nonzero().flatten()
        held[members[torch.randperm(len(members), generator=generator)[: round(share * len(members))]]] = True
    return (~held).nonzero().flatten(), held.nonzero().flatten()
