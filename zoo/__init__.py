"""DiracNets: very deep convolutional networks without skip connections (arXiv 1706.00388).

Names are imported when they are first used (PEP 562), so that commands that need no PyTorch do not wait for it.
"""

from typing import TYPE_CHECKING, Any

from zoo.lacking import public_name

if TYPE_CHECKING:
    from zoo.models import DiracNet as DiracNet
    from zoo.models import build as build
    from zoo.models import build_from as build_from
    from zoo.models import count_parameters as count_parameters
    from zoo.models import diracnet as diracnet
    from zoo.models import from_pretrained as from_pretrained
    from zoo.models import get_model as get_model
    from zoo.models import load_upstream as load_upstream
    from zoo.nets.composing import composed_together as composed_together
    from zoo.nets.conv import DiracConv1d as DiracConv1d
    from zoo.nets.conv import DiracConv2d as DiracConv2d
    from zoo.nets.conv import DiracConv3d as DiracConv3d
    from zoo.nets.conv import NCReLU as NCReLU
    from zoo.nets.folded import plain as plain
    from zoo.nets.kernel import dirac_delta as dirac_delta
    from zoo.nets.kernel import dirac_weight as dirac_weight
    from zoo.nets.parametrize import dirac as dirac
    from zoo.nets.registry import get_spec as get_spec
    from zoo.nets.registry import list_models as list_models
    from zoo.nets.spec import Spec as Spec
    from zoo.preprocessing import Preprocessing as Preprocessing
    from zoo.weights.checkpoint import Checkpoint as Checkpoint
    from zoo.weights.facts import Facts as Facts
    from zoo.weights.locate import load_weight as load_weight
    from zoo.weights.record import Weight as Weight
    from zoo.weights.record import get_weight as get_weight
    from zoo.weights.record import list_weights as list_weights
    from zoo.weights.repository import load_repository as load_repository

_NAMES = {
    "models": [
        "DiracNet",
        "build",
        "build_from",
        "count_parameters",
        "diracnet",
        "from_pretrained",
        "get_model",
        "load_upstream",
    ],
    "nets.composing": ["composed_together"],
    "nets.conv": ["DiracConv1d", "DiracConv2d", "DiracConv3d", "NCReLU"],
    "nets.folded": ["plain"],
    "nets.kernel": ["dirac_delta", "dirac_weight"],
    "nets.parametrize": ["dirac"],
    "nets.registry": ["get_spec", "list_models"],
    "nets.spec": ["Spec"],
    "preprocessing": ["Preprocessing"],
    "weights.checkpoint": ["Checkpoint"],
    "weights.facts": ["Facts"],
    "weights.locate": ["load_weight"],
    "weights.record": ["Weight", "get_weight", "list_weights"],
    "weights.repository": ["load_repository"],
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    return public_name(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return __all__
