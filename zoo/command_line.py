"""How a command ends: errors that users can mend become one clear line and exit status 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

USER_ERRORS = (ValueError, TypeError, OSError, RuntimeError, FloatingPointError)


def run(app: Callable[[], object], statuses: dict[type[Exception], int] | None = None) -> None:
    """Call an application and turn its errors into a message and an exit status.

    Args:
        app: a command line that ends the process by itself if all goes well.
        statuses: exit status by class of error, for those that are not the user's mistake.
    """
    try:
        app()
    except USER_ERRORS as error:
        message = str(error) or type(error).__name__
        print(f"error: {message}", file=sys.stderr)
        sys.exit(next((status for kind, status in (statuses or {}).items() if isinstance(error, kind)), 2))
    except KeyboardInterrupt:
        sys.exit(130)
