"""A network with the methods that timm asks of a model; timm itself is not needed here, see `zoo.timm`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, cast

import torch.fx
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from zoo.nets.network import Network, _check_size
from zoo.nets.spec import Spec

torch.fx.wrap("_check_size")  # fx knows its leaves by the module that calls them


def reductions(spec: Spec) -> list[int]:
    """Return by what factors the outputs of stem and groups are smaller than the pictures: [2, 4, 8, 16, 32]."""
    first = spec.stem.stride * (2 if spec.stem.stem_pool else 1)
    return [spec.stem.stride, *(first * 2**index for index in range(len(spec.groups)))]


def take_indices(count: int, indices: int | Sequence[int] | None) -> list[int]:
    """Return which of `count` feature maps timm means: all for None, the last n for a number n, else those named.

    Raises:
        ValueError: there are not that many.
    """
    wanted = count if indices is None else indices
    try:
        named = range(-wanted, 0) if isinstance(wanted, int) else wanted
        taken = [range(count)[index] for index in named]
    except IndexError:
        taken = []
    if not taken:
        raise ValueError(f"{indices!r} names no feature maps of this net: it has {count}, numbered 0 to {count - 1}")
    return taken


class TimmNetwork(Network):
    """A `Network` with everything that timm asks of a model.

    The maps of `feature_info`, of `features_only=True` and of `forward_intermediates` are what the stem's BatchNorm and
    each group return, before any ReLU.

    Args:
        spec: the structure.
        num_classes: outputs of the classifier, 0 for none; the spec's own by default.
        in_chans: channels of the pictures; the spec's own by default.
        global_pool: "avg", or "" for none, which needs num_classes=0.
        final_relu: see `zoo.Spec`; the spec's own by default.
    """

    def __init__(
        self,
        spec: Spec,
        num_classes: int | None = None,
        in_chans: int | None = None,
        global_pool: str = "avg",
        final_relu: bool | None = None,
    ) -> None:
        wanted: dict[str, Any] = {"num_classes": num_classes or None, "in_channels": in_chans, "final_relu": final_relu}
        super().__init__(replace(spec, **{name: value for name, value in wanted.items() if value is not None}))
        self.in_chans = self.spec.in_channels
        self.num_features = self.head_hidden_size = self.fc.in_features
        self.global_pool = "avg"
        self.grad_checkpointing = False
        self.depth_in_groups = len(self.spec.groups)
        channels = [self.spec.groups[0].in_channels, *(group.channels for group in self.spec.groups)]
        modules = ["bn", *(f"group{index}" for index in range(len(self.spec.groups)))]
        self.feature_info = [
            {"num_chs": number, "reduction": reduction, "module": module}
            for number, reduction, module in zip(channels, reductions(self.spec), modules, strict=True)
        ]
        if num_classes == 0 or global_pool != "avg":
            self.reset_classifier(0 if num_classes == 0 else self.num_classes, global_pool)

    @property
    def num_classes(self) -> int:
        """Outputs of the classifier; 0 if there is none and the net returns features."""
        return self.fc.out_features if isinstance(self.fc, nn.Linear) else 0

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the last layer with a fresh one, or remove it for 0 classes; `global_pool=""` removes the pool."""
        pool = self.global_pool if global_pool is None else global_pool
        if pool not in ("", "avg"):
            raise ValueError(f"global_pool={pool!r}: allowed are 'avg' and, without a classifier, ''")
        if num_classes and not pool:
            raise ValueError(f"global_pool='' needs num_classes=0, not {num_classes}: a classifier follows the pool")
        self.global_pool = pool
        if num_classes == 0:
            self.fc = cast(nn.Linear, nn.Identity())
            return
        self.spec = replace(self.spec, num_classes=num_classes)
        like = self.conv.weight
        self.fc = nn.Linear(self.num_features, num_classes, device=like.device, dtype=like.dtype).train(self.training)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute each group in the backward pass instead of storing what its blocks return.

        As with every net that has BatchNorm, the running statistics are then updated twice a step.
        """
        self.grad_checkpointing = enable

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Return patterns by which timm's layer-wise learning rates distinguish stem and blocks (coarse: groups)."""
        return {"stem": r"^(?:conv|bn)\.", "blocks": r"^group(\d+)" if coarse else r"^group(\d+)\.block(\d+)"}

    def no_weight_decay(self) -> set[str]:
        """Return the names of alpha and beta; none in version 1, which was trained with weight decay on everything."""
        if self.spec.version == 1:
            return set()
        return {name for name, _ in self.named_parameters() if name.endswith((".alpha", ".beta"))}

    def forward_intermediates(
        self,
        input: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,  # noqa: ARG002  # no norm follows the last group
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Return the last feature map and those of `feature_info` that `indices` names; see `timm`."""
        if output_fmt != "NCHW":
            raise ValueError(f"output_fmt={output_fmt!r}: DiracNets give 'NCHW' only")
        taken = take_indices(len(self.feature_info), indices)
        last, intermediates = self._walk(input, taken, max(taken) if stop_early else self.depth_in_groups)
        return intermediates if intermediates_only else (self._finish(last), intermediates)

    def prune_intermediate_layers(
        self,
        indices: int | Sequence[int] = 1,
        prune_norm: bool = False,  # noqa: ARG002
        prune_head: bool = True,
    ) -> list[int]:
        """Remove the groups after the last of these maps, and the head; return the indices counted from 0."""
        taken = take_indices(len(self.feature_info), indices)
        last = max(taken)
        for index in range(last, self.depth_in_groups):
            delattr(self, f"group{index}")
        if last < self.depth_in_groups:
            self.depth_in_groups = last
            self.num_features = self.head_hidden_size = cast(int, self.feature_info[last]["num_chs"])
            prune_head = True
        if prune_head:
            self.reset_classifier(0, "")
        return taken

    def forward_features(self, input: Tensor) -> Tensor:
        return self._finish(self._walk(input, (), self.depth_in_groups)[0])

    def forward_head(self, input: Tensor, pre_logits: bool = False) -> Tensor:
        """Map the last feature map to logits, or to the features before the last layer."""
        pooled = F.adaptive_avg_pool2d(input, 1).flatten(1) if self.global_pool else input
        return pooled if pre_logits else cast(Tensor, self.fc(pooled))

    def forward(self, input: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(input))

    def _walk(self, input: Tensor, taken: Collection[int], last: int) -> tuple[Tensor, list[Tensor]]:
        """Return map number `last` of `feature_info`, and the taken ones up to it."""
        _check_size(input.shape[-2], input.shape[-1], self.spec.min_size)
        stem, x = self.spec.stem, self.bn(self.conv(input))
        maps = [x] if 0 in taken else []
        for index in range(last):
            if index == 0 and stem.stem_relu:
                x = F.relu(x)
            if index == 0 and stem.stem_pool:
                x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
            if index > 0:
                x = F.max_pool2d(x, kernel_size=2)
            group = self.get_submodule(f"group{index}")
            x = checkpoint(group, x, use_reentrant=False) if self.grad_checkpointing else group(x)
            if index + 1 in taken:
                maps.append(x)
        return x, maps

    def _finish(self, last: Tensor) -> Tensor:
        return F.relu(last) if self.spec.final_relu else last
