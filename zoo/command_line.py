"""How a command ends: errors that users can mend become one clear line and exit status 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

USER_ERRORS = (ValueError, TypeError, OSError, RuntimeError, FloatingPointError)


def run(app: Callable[[], object]) -> None:
    """Call an application, which ends the process by itself if all goes well, and report its errors.

    The exit status is 2, or the error's own `exit_status`.
    """
    try:
        app()
    except USER_ERRORS as error:
        print(f"error: {error or type(error).__name__}", file=sys.stderr)
        sys.exit(getattr(error, "exit_status", 2))
    except KeyboardInterrupt:
        sys.exit(130)
