"""What timm needs to know about a net: the `architecture` and `pretrained_cfg` of a config.json. Needs no timm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zoo.nets.registry import MODELS
from zoo.nets.spec import Spec
from zoo.preprocessing import Preprocessing


def pool_size(spec: Spec, size: int) -> int:
    """Return the side, in pixels, of the average pool's input for square pictures with sides of `size`."""
    for halved in (spec.stem.stride == 2, spec.stem.stem_pool):
        size = (size + 1) // 2 if halved else size
    for _ in spec.groups[1:]:
        size //= 2
    return size


def pretrained_cfg(spec: Spec, preprocessing: Preprocessing | None, labels: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields of timm's `PretrainedCfg`, apart from those that say where the weights are.

    Args:
        spec: the net's structure.
        preprocessing: how pictures become its input; without it timm assumes what the net's family usually gets.
        labels: name of each class.
    """
    cfg = {
        "num_classes": spec.num_classes,
        "min_input_size": (spec.in_channels, spec.min_size, spec.min_size),
        "first_conv": "conv",
        "classifier": "fc",
        "paper_ids": "arXiv:1706.00388",
        **({"label_names": tuple(labels)} if labels else {}),
    }
    if preprocessing is not None:
        side = pool_size(spec, preprocessing.size)
        cfg |= {
            "input_size": (spec.in_channels, preprocessing.size, preprocessing.size),
            "pool_size": (side, side),
            "crop_pct": preprocessing.size / preprocessing.resize,
            "crop_mode": "center",
            "interpolation": preprocessing.interpolation,
            "mean": preprocessing.mean,
            "std": preprocessing.std,
        }
    return cfg


def timm_config(
    spec: Spec, preprocessing: Preprocessing | None, labels: Sequence[str] = (), weights: str | None = None
) -> dict[str, Any]:
    """Return the keys of config.json with which `timm.create_model("hf-hub:…")` and `"local-dir:…"` build a net.

    Args:
        spec: the net's structure.
        preprocessing: see `pretrained_cfg`.
        labels: see `pretrained_cfg`.
        weights: path of the file with the training form, below config.json's folder; model.safetensors by default.

    Returns:
        `{}` if the registry has no name for the structure, so that timm cannot build it.

    Example:
        `timm_config(spec, preprocessing, weights="dirac/model.safetensors")` for the config.json of a bundle.
    """
    named = MODELS.get(spec.name)
    if named is None:
        return {}
    arguments: dict[str, Any] = {"in_chans": spec.in_channels}
    if replace(named, final_relu=spec.final_relu) != named:
        arguments["final_relu"] = spec.final_relu
    where = {"hf_hub_filename": weights} if weights else {}
    return {
        "architecture": spec.name,
        "num_classes": spec.num_classes,
        "model_args": arguments,
        "pretrained_cfg": {**pretrained_cfg(spec, preprocessing, labels), **where},
    }
