"""DiracNets through `torch.hub`: one entrypoint per net, and `labels`, `transforms`, `list_models`.

torch.hub.load("OWNER/diracnet-zoo", "diracnet16_cifar", weights="cifar10", trust_repo=True)
"""

import importlib.util as _util
import sys as _sys
from collections.abc import Callable as _Callable
from pathlib import Path as _Path
from typing import Any as _Any

dependencies = ["torch", "torchvision", "numpy", "PIL", "safetensors", "huggingface_hub"]


def _check(package: str) -> None:
    """Raise RuntimeError where importing `package` would give, or has given, another one than that beside this file."""
    here = _Path(__file__).resolve().parent / package
    imported = _sys.modules.get(package)
    if imported is None:
        spec = _util.find_spec(package)
        origin = spec.origin if spec else None
    else:
        origin = getattr(imported, "__file__", None)
    if origin is None or _Path(origin).resolve().parent != here:
        raise RuntimeError(
            f"another package named {package!r} is in the way: {origin or imported}. The nets need the one in {here}; "
            "start a fresh process without the other one on sys.path"
        )


_check("zoo")
_check("pixels")

import zoo as _zoo  # noqa: E402
from zoo.weights.github import is_stale as _is_stale  # noqa: E402
from zoo.weights.record import default_tag as _default_tag  # noqa: E402

if _is_stale():
    raise RuntimeError(
        f"{_Path(__file__).parent} was fetched again and is another commit now; start a fresh process, for this one "
        "goes on with the code of before"
    )


def list_models(pattern: str = "*") -> list[str]:
    """Return the names of the nets that match a glob, such as "diracnet18*"."""
    return _zoo.list_models(pattern)


def labels(model: str, weights: str) -> list[str]:
    """Return the name of each class that these weights of a model tell apart."""
    return list(_zoo.get_weight(model, weights).labels)


def transforms(model: str, weights: str) -> _Callable[..., _Any]:
    """Return what maps a PIL picture to the input of these weights, a tensor [channels, height, width]."""
    return _zoo.get_weight(model, weights).transforms()


def _entrypoint(name: str) -> _Callable[..., _Any]:
    def load(weights: str | None = None, pretrained: bool = False, folded: bool = False, **overrides: _Any) -> _Any:
        if pretrained and weights is None:
            weights = _default_tag(name)
        return _zoo.get_model(name, weights=weights, folded=folded, **overrides)

    spec = _zoo.get_spec(name)
    tags = [f"{tag} ({' and '.join(_zoo.get_weight(name, tag).files)} form)" for tag in _zoo.list_weights(name)]
    load.__name__ = load.__qualname__ = name
    load.__doc__ = f"""{name}: depth {spec.depth}, width {spec.width:g}, {spec.family} family, version {spec.version}.

    weights: a tag, or None for fresh weights. Tags: {", ".join(tags) or "none yet"}.
    pretrained: True means the first of these tags.
    folded: the plain nn.Sequential (folded form) in place of the DiracNet in its training form (dirac form).
    overrides: fields of zoo.Spec, such as num_classes or in_channels.
    """
    return load


globals().update({_name: _entrypoint(_name) for _name in _zoo.list_models()})
