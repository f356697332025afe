"""How a command ends: errors that users can mend become one clear line and exit status 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from zoo.errors import DetailedError
from zoo.printing import prepare_streams, say

USER_ERRORS = (ValueError, TypeError, OSError, RuntimeError, FloatingPointError)
_EXTRAS = {
    **dict.fromkeys(("accelerate", "scipy", "sklearn"), "train"),
    **dict.fromkeys(("ai_edge_litert", "onnx", "onnxruntime"), "export"),
    "imagecorruptions": "figures",
    "model_signing": "sign",
}
REMEDIES = {
    **{package: f"'diracnet-zoo[{extra}]'" for package, extra in _EXTRAS.items()},
    # Predicting from ONNX files works without these, so they may be missing.
    **dict.fromkeys(("torch", "torchvision"), "torch torchvision"),
    "PIL": "pillow",
}
"""What to install when a package is missing whose name says something else."""
_OWN = ("export", "pixels", "zoo")
DEBUG = "DIRACNET_DEBUG"
"""When this is set in the environment, errors end in a traceback."""


def run(app: Callable[[], object]) -> None:
    """Call an application, which ends the process by itself if all goes well, and report its errors.

    The exit status is 2, or the error's own `exit_status`.
    """
    prepare_streams()
    try:
        app()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in sys.stdlib_module_names or DEBUG in os.environ:
            raise
        remedy = f"this needs {package}: pip install {REMEDIES.get(package, package)}"
        if package in _OWN:
            remedy = (
                f"{error.name} is not in this installation; GitHub's archive of the code has only what torch.hub "
                "needs: install a wheel, or a clone"
            )
        say(f"error: {remedy}", error=True)
        sys.exit(2)
    except BrokenPipeError:
        # Whoever read the output has gone, as `head` does; what Python still wants to write at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except USER_ERRORS as error:
        if DEBUG in os.environ:
            raise
        text, details = error.args if isinstance(error, DetailedError) else (error, ())
        say(f"error: {text or type(error).__name__}", *(f"  {detail}" for detail in details), error=True)
        sys.exit(getattr(error, "exit_status", 2))
    except KeyboardInterrupt:
        sys.exit(130)
