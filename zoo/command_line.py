"""How a command ends: errors that users can mend become one clear line and exit status 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

USER_ERRORS = (ValueError, TypeError, OSError, RuntimeError, FloatingPointError)
_EXTRAS = {
    "accelerate": "train",
    "sklearn": "train",
    "onnx": "export",
    "onnxruntime": "export",
    "model_signing": "sign",
}
REMEDIES = {
    **{package: f"'diracnet-zoo[{extra}]'" for package, extra in _EXTRAS.items()},
    # Predicting from ONNX files works without these, so they may be missing.
    **dict.fromkeys(("torch", "torchvision"), "torch torchvision"),
    **{package: package for package in ("huggingface_hub", "safetensors")},
}
"""What to install when a package is missing."""
DEBUG = "DIRACNET_DEBUG"
"""When this is set in the environment, errors end in a traceback."""


def run(app: Callable[[], object]) -> None:
    """Call an application, which ends the process by itself if all goes well, and report its errors.

    The exit status is 2, or the error's own `exit_status`.
    """
    try:
        app()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in REMEDIES or DEBUG in os.environ:
            raise
        print(f"error: this needs {package}: pip install {REMEDIES[package]}", file=sys.stderr)
        sys.exit(2)
    except USER_ERRORS as error:
        if DEBUG in os.environ:
            raise
        print(f"error: {error or type(error).__name__}", file=sys.stderr)
        sys.exit(getattr(error, "exit_status", 2))
    except KeyboardInterrupt:
        sys.exit(130)
