"""DiracNets: very deep convolutional networks without skip connections (arXiv 1706.00388)."""

from zoo.builders import diracnet, get_model
from zoo.checkpoint import Checkpoint
from zoo.conv import DiracConv1d, DiracConv2d, DiracConv3d, NCReLU, dirac_delta, dirac_weight
from zoo.hub import load_weight
from zoo.network import DiracNet
from zoo.parametrize import dirac
from zoo.preprocessing import Preprocessing
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
    "dirac",
    "dirac_delta",
    "dirac_weight",
    "diracnet",
    "get_model",
    "get_spec",
    "get_weight",
    "list_models",
    "list_weights",
    "load_upstream",
    "load_weight",
    "plain",
]
