"""The zoo's front door: from a name to a net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from zoo.nets.folded import plain
from zoo.nets.network import DiracNet
from zoo.nets.registry import get_spec
from zoo.nets.spec import Spec
from zoo.weights.locate import load_weight
from zoo.weights.record import get_weight


def get_model(
    name: str,
    weights: str | None = None,
    folded: bool = False,
    *,
    mirror: str | Path | None = None,
    **overrides: Any,
) -> nn.Module:
    """Build a net of the registry, with trained weights if a tag is given.

    Args:
        name: as in `zoo.list_models()`.
        weights: a tag of `zoo.list_weights(name)`, or None for fresh weights.
        folded: the plain `nn.Sequential` (`zoo.plain`) in place of the `DiracNet`. Only the file of the chosen form is
            downloaded, where it has to be.
        mirror: a folder to take the weights from; see `zoo.load_weight`.
        overrides: fields of `zoo.Spec` to change, such as num_classes or in_channels. With weights they must agree
            with the weights' own; for other classes load the net and call its `reset_classifier`.

    Returns:
        With weights in eval mode, without in train mode.

    Raises:
        ValueError: no such name, tag or override, or an override contradicts the weights.
        FileNotFoundError, RuntimeError: the weights are not here and cannot be fetched.
    """
    if weights is None:
        spec = _override(get_spec(name), overrides)
        return plain(spec) if folded else DiracNet(spec)
    record = get_weight(name, weights)
    _override(record.spec, overrides)  # names unknown fields
    for field, wanted in overrides.items():
        fixed = getattr(record.spec, field)
        if wanted != fixed:
            raise ValueError(
                f"{field}={wanted!r} contradicts the weights {weights!r}, which have {field}={fixed!r}; leave it out, "
                "or load them and call reset_classifier(num_classes)"
            )
    checkpoint = load_weight(record, "folded" if folded else "dirac", None if mirror is None else Path(mirror))
    if checkpoint.spec != record.spec:
        raise ValueError(f"the weights {name}:{weights} hold a {checkpoint.spec}, the registry says {record.spec}")
    return checkpoint.model()


def diracnet(*, folded: bool = False, **fields: Any) -> nn.Module:
    """Build a net that has no name from the fields of `zoo.Spec`: `diracnet(depth=52, family="cifar")`."""
    spec = Spec.from_dict(fields)
    return plain(spec) if folded else DiracNet(spec)


def _override(spec: Spec, overrides: dict[str, Any]) -> Spec:
    return Spec.from_dict({**spec.to_dict(), **overrides})
