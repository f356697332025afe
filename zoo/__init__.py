"""DiracNets: very deep convolutional networks without skip connections (arXiv 1706.00388).

Names are imported when they are first used (PEP 562), so that commands that need no PyTorch do not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.builders import diracnet, get_model
    from zoo.checkpoint import Checkpoint
    from zoo.composing import composed_together
    from zoo.conv import DiracConv1d, DiracConv2d, DiracConv3d, NCReLU, dirac_delta, dirac_weight
    from zoo.hub import load_weight
    from zoo.network import DiracNet
    from zoo.parametrize import dirac
    from zoo.preprocessing import Preprocessing
    from zoo.pretrained import from_pretrained, load_repository
    from zoo.registry import get_spec, list_models
    from zoo.sequential import plain
    from zoo.spec import Spec
    from zoo.upstream import load_upstream
    from zoo.weights import Weight, get_weight, list_weights

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
    "Checkpoint": "checkpoint",
    "DiracConv1d": "conv",
    "DiracConv2d": "conv",
    "DiracConv3d": "conv",
    "DiracNet": "network",
    "NCReLU": "conv",
    "Preprocessing": "preprocessing",
    "Spec": "spec",
    "Weight": "weights",
    "composed_together": "composing",
    "dirac": "parametrize",
    "dirac_delta": "conv",
    "dirac_weight": "conv",
    "diracnet": "builders",
    "from_pretrained": "pretrained",
    "get_model": "builders",
    "get_spec": "registry",
    "get_weight": "weights",
    "list_models": "registry",
    "list_weights": "weights",
    "load_repository": "pretrained",
    "load_upstream": "upstream",
    "load_weight": "hub",
    "plain": "sequential",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
