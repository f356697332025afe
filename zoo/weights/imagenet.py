"""Where the original authors' ImageNet weights are: the same weights at several addresses, none of them ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from zoo.weights.published import Source

TAG = "imagenet1k"
FORMER_TAGS: Mapping[str, str] = MappingProxyType({"imagenet1k_upstream": TAG})
"""Tag that weights once had → their tag today; both are understood."""


def _authors(name: str, digest: str, metrics: Mapping[str, float]) -> Source:
    """Return the authors' own address of 2018."""
    return Source(
        url=f"https://s3.amazonaws.com/modelzoo-networks/{name}-{digest}.pth",
        digest=f"sha256:{digest}",
        publisher="github.com/szagoruyko/diracnets, README",
        metrics=metrics,
        preprocessing="shorter side 256, centre 224",
        resize_backend="OpenCV, in training and in the published figures",
    )


def _pytorchcv(name: str, sha1: str, metrics: Mapping[str, float]) -> Source:
    """Return the address of the copy that pytorchcv converted; the weights are the authors'."""
    return Source(
        url=f"https://github.com/osmr/imgclsmob/releases/download/v0.0.111/{name}-{sha1[:8]}.pth.zip",
        digest=f"sha1:{sha1}",
        publisher="github.com/osmr/imgclsmob, pytorch/README.md",
        metrics=metrics,
        preprocessing="shorter side 256, bilinear, centre 224",
        resize_backend="PIL",
    )


SOURCES: Mapping[str, tuple[Source, ...]] = MappingProxyType(
    {
        "diracnet18": (
            _authors("diracnet18v2folded", "a2174e15", {"top1": 69.63, "top5": 89.12}),
            _pytorchcv("diracnet18v2-1170", "e06737707a1f5a5c7fe4e57da92ed890b034cb9a", {"top1": 68.53, "top5": 88.30}),
        ),
        "diracnet34": (
            _authors("diracnet34v2folded", "dfb15d34", {"top1": 72.21}),
            _pytorchcv("diracnet34v2-0993", "a6a661c0c3e96af320e5b9bf65a6c8e5e498a474", {"top1": 71.25, "top5": 90.07}),
        ),
    }
)
"""Net → the addresses of its weights, in the order in which they are tried."""
