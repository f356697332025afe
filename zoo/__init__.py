"""DiracNets: very deep convolutional networks without skip connections (arXiv 1706.00388).

Names are imported when they are first used (PEP 562), so that commands that need no PyTorch do not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.models import diracnet, get_model
    from zoo.nets.composing import composed_together
    from zoo.nets.conv import DiracConv1d, DiracConv2d, DiracConv3d, NCReLU, dirac_delta, dirac_weight
    from zoo.nets.folded import plain
    from zoo.nets.network import DiracNet
    from zoo.nets.parametrize import dirac
    from zoo.nets.registry import get_spec, list_models
    from zoo.nets.spec import Spec
    from zoo.preprocessing import Preprocessing
    from zoo.weights.checkpoint import Checkpoint
    from zoo.weights.locate import load_weight
    from zoo.weights.record import Weight, get_weight, list_weights
    from zoo.weights.repository import from_pretrained, load_repository
    from zoo.weights.upstream import load_upstream

__all__ = [
    "Checkpoint",
    "DiracConv1d",
    "DiracConv2d",
    "DiracConv3d",
    "DiracNet",
    "NCReLU",
    "Preprocessing",
    "Spec",
    "Weight",
    "composed_together",
    "dirac",
    "dirac_delta",
    "dirac_weight",
    "diracnet",
    "from_pretrained",
    "get_model",
    "get_spec",
    "get_weight",
    "list_models",
    "list_weights",
    "load_repository",
    "load_upstream",
    "load_weight",
    "plain",
]

_MODULES = {
    "Checkpoint": "weights.checkpoint",
    "DiracConv1d": "nets.conv",
    "DiracConv2d": "nets.conv",
    "DiracConv3d": "nets.conv",
    "DiracNet": "nets.network",
    "NCReLU": "nets.conv",
    "Preprocessing": "preprocessing",
    "Spec": "nets.spec",
    "Weight": "weights.record",
    "composed_together": "nets.composing",
    "dirac": "nets.parametrize",
    "dirac_delta": "nets.conv",
    "dirac_weight": "nets.conv",
    "diracnet": "models",
    "from_pretrained": "weights.repository",
    "get_model": "models",
    "get_spec": "nets.registry",
    "get_weight": "weights.record",
    "list_models": "nets.registry",
    "list_weights": "weights.record",
    "load_repository": "weights.repository",
    "load_upstream": "weights.upstream",
    "load_weight": "weights.locate",
    "plain": "nets.folded",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
