"""What to say where diracnet-runtime is installed, and something of diracnet-zoo is asked for."""

from __future__ import annotations


def lacking(what: str) -> str:
    """Return an error message: that this is not here, and what to do.

    Example:
        >>> print(lacking("zoo.get_model"))  # doctest: +SKIP
        zoo.get_model is in diracnet-zoo, and only diracnet-runtime is installed: pip install diracnet-zoo
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("diracnet-zoo")
    except PackageNotFoundError:
        return f"{what} is in diracnet-zoo, and only diracnet-runtime is installed: pip install diracnet-zoo"
    return (
        f"{what} is in diracnet-zoo, but packages that it needs are missing, or diracnet-runtime hides diracnet-zoo "
        f"{found} of a clone: pip uninstall diracnet-runtime, and install diracnet-zoo again"
    )
