"""Export of DiracNets: folding, ONNX, and bundles with proof that each file agrees with its source.

Names are imported on first use (PEP 562), because `export.runtime` must work without PyTorch.
"""

from typing import TYPE_CHECKING, Any

from zoo.lacking import public_name

if TYPE_CHECKING:
    from export.bundle.audit import verify as verify
    from export.bundle.reproduce import reproduce as reproduce
    from export.bundle.writer import export_bundle as export_bundle
    from export.folding.fold import fold as fold
    from export.folding.fold import layer_errors as layer_errors
    from export.folding.unfold import unfold as unfold
    from export.graphs.emit import emit as emit
    from export.hub.publish import publish as publish
    from export.proof.check import Check as Check
    from export.proof.check import VerificationError as VerificationError
    from export.proof.check import require as require
    from export.runtime import Classifier as Classifier

_NAMES = {
    "bundle.audit": ["verify"],
    "bundle.reproduce": ["reproduce"],
    "bundle.writer": ["export_bundle"],
    "folding.fold": ["fold", "layer_errors"],
    "folding.unfold": ["unfold"],
    "graphs.emit": ["emit"],
    "hub.publish": ["publish"],
    "proof.check": ["Check", "VerificationError", "require"],
    "runtime": ["Classifier"],
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    return public_name(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return __all__
