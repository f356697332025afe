"""Export of DiracNets: folding, ONNX, bundles with proof that each file equals its source.

Names are imported when they are first used (PEP 562): `export.runtime` must work where PyTorch is not installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.bundle.parity import verify
    from export.bundle.writer import export_bundle
    from export.folding.fold import fold, layer_errors
    from export.folding.unfold import unfold
    from export.graphs.emit import emit
    from export.hub.publish import publish
    from export.proof.check import Check, VerificationError
    from export.runtime import Classifier

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
    "Check": "proof.check",
    "Classifier": "runtime",
    "VerificationError": "proof.check",
    "emit": "graphs.emit",
    "export_bundle": "bundle.writer",
    "fold": "folding.fold",
    "layer_errors": "folding.fold",
    "publish": "hub.publish",
    "unfold": "folding.unfold",
    "verify": "bundle.parity",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
