"""Export of DiracNets: folding, ONNX, bundles with proof that each file equals its source.

Names are imported when they are first used (PEP 562): `export.runtime` must work where PyTorch is not installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.bundle import export_bundle
    from export.checks import Check, VerificationError
    from export.folding import fold, layer_errors
    from export.onnx_graph import emit
    from export.parity import verify
    from export.publishing import publish
    from export.runtime import Classifier
    from export.unfolding import unfold

__all__ = [
    "Check",
    "Classifier",
    "VerificationError",
    "emit",
    "export_bundle",
    "fold",
    "layer_errors",
    "publish",
    "unfold",
    "verify",
]

_MODULES = {
    "Check": "checks",
    "Classifier": "runtime",
    "VerificationError": "checks",
    "emit": "onnx_graph",
    "export_bundle": "bundle",
    "fold": "folding",
    "layer_errors": "folding",
    "publish": "publishing",
    "unfold": "unfolding",
    "verify": "parity",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
