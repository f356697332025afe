"""What docs/figures.json says of the shipped nets, in the manifests beside their weights: for `diracnet model-card`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from export.figures.measure import COMPUTED, FITTED, NONE, corrupted_mean
from zoo import get_weight
from zoo.files import write_json
from zoo.weights.record import MANIFEST

DECIMALS = 2
"""Of percentages."""


def summary(net: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest has under `figures`.

    Args:
        net: the figures of one net, as docs/figures.json has them.
    """
    found: dict[str, Any] = {name: net[name] for name in ("test_pictures", "corrupted_pictures")}
    for precision in ("fp32", "int8"):
        figures = net[precision]
        found[precision] = {
            "calibration_error": round(figures["calibration"][COMPUTED]["error"], DECIMALS),
            "calibration_error_with_temperature": round(figures["calibration"][FITTED]["error"], DECIMALS),
            "corrupted_top1": round(corrupted_mean(figures), DECIMALS),
            "uncorrupted_top1": round(figures["corruptions"][NONE], DECIMALS),
        }
    return found


def write_manifests(nets: Mapping[str, Any]) -> None:
    """Write temperatures and `figures` into the manifests of nets whose measured weights are in this clone.

    Args:
        nets: NAME:TAG → figures, as docs/figures.json has them.
    """
    for model, net in nets.items():
        name, _, tag = model.partition(":")
        weight = get_weight(name, tag)
        if weight.folder is not None and weight.digests == net["weights_sha256"]:  # not of weights that were replaced
            now = replace(weight, temperature=net["temperature"], figures=summary(net))
            if now != weight:
                write_json(weight.folder / MANIFEST, now.to_manifest())
