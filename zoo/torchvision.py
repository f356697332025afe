"""The zoo's nets for torchvision: `import zoo.torchvision`, then `torchvision.models.get_model("diracnet18")`.

The weights of a net are members of an enumeration, as torchvision's own are:
`torchvision.models.get_model_weights("diracnet16_cifar").DEFAULT.transforms()`. It is added to `torchvision.models`, so
that `torchvision.models.get_weight("Diracnet16Cifar_Weights.CIFAR10")` finds it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torchvision
from torch import nn
from torchvision.models import Weights, WeightsEnum
from torchvision.models._api import register_model  # has no public name

from zoo.models import get_model
from zoo.nets.registry import MODELS
from zoo.preprocessing import Preprocessing
from zoo.weights.locate import load_weight
from zoo.weights.record import Weight, all_weights, get_weight


class DiracNetWeights(WeightsEnum):  # type: ignore[misc]  # torchvision has no types
    """Weights of one net in training form. Their values say what they are; files are checked by their sha256."""

    def get_state_dict(self, *_: Any, **__: Any) -> Mapping[str, Any]:
        """Return the state dict of the `DiracNet`."""
        return load_weight(get_weight(self.meta["model"], self.meta["tag"]), "dirac").state


def _member(record: Weight) -> Weights:
    meta = {
        "model": record.model,
        "tag": record.tag,
        "categories": list(record.labels),
        "min_size": (record.spec.min_size, record.spec.min_size),
        "license": record.licence,
        "_metrics": {
            record.dataset: {f"acc@{key[3:]}": v for key, v in record.metrics.items() if key.startswith("top")}
        },
    }
    return Weights(
        url=f"{record.repository or ''}/{record.files['dirac'].path}",
        transforms=partial(_transforms, record.preprocessing),
        meta=meta,
    )


def _transforms(preprocessing: Preprocessing, *, antialias: bool = True) -> Preprocessing:
    """Return the preprocessing. torchvision's reference scripts pass antialias=True, which describes PIL's resize."""
    if not antialias:
        raise ValueError("antialias=False: pictures are resized by PIL, which always filters as it shrinks")
    return preprocessing


def _weights_of(name: str) -> Any:
    """Return the enumeration of a net's weights; None if there are none in training form."""
    records = [record for (model, _), record in all_weights().items() if model == name and "dirac" in record.files]
    if not records:
        return None
    members = {record.tag.upper(): _member(record) for record in records}
    title = "".join(part.capitalize() for part in name.split("_")) + "_Weights"
    first = next(iter(members.values()))
    enumeration = DiracNetWeights(title, {**members, "DEFAULT": first}, module=__name__)
    # torchvision.models.get_weight("Diracnet16Cifar_Weights.CIFAR10") looks nowhere else; pickle looks here.
    for module in (torchvision.models, sys.modules[__name__]):
        setattr(module, title, enumeration)
    return enumeration


def _builder(name: str) -> Callable[..., nn.Module]:
    enumeration = _weights_of(name)

    def build(*, weights: Any = None, progress: bool = True, **overrides: Any) -> nn.Module:  # noqa: ARG001
        if weights is None:
            return get_model(name, **overrides)
        if enumeration is None:
            raise ValueError(f"{name} has no weights in training form")
        known = [*enumeration.__members__]
        key = weights.removeprefix(f"{enumeration.__name__}.").upper() if isinstance(weights, str) else None
        if key is not None and key not in known:
            raise ValueError(f"{name} has no weights {weights!r}; it has {', '.join(known)}")
        member = enumeration[key] if key else enumeration.verify(weights)
        return get_model(name, weights=member.meta["tag"], **overrides)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"{name}, as torchvision builds models; weights: a member of its enumeration, or the member's name."
    signature = inspect.signature(build)
    parameters = [
        parameter.replace(annotation=enumeration | None if enumeration else None)
        if parameter.name == "weights"
        else parameter
        for parameter in signature.parameters.values()
    ]
    build.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return build


for _name in MODELS:
    register_model(_name)(_builder(_name))
