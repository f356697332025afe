"""What to say where diracnet-runtime is installed, and something of diracnet-zoo is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


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


def public_name(package: str, modules: Mapping[str, str], name: str) -> Any:
    """Return what a package gives under a name, importing the module that has it (PEP 562).

    Args:
        package: the package's name.
        modules: public name → module below the package.
        name: the name asked for.

    Raises:
        AttributeError: there is no such name.
        ModuleNotFoundError: its module is not installed, or lacks a package that it needs.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    module = f"{package}.{modules[name]}"
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module and not module.startswith(f"{error.name}."):
            raise
        raise ModuleNotFoundError(lacking(f"{package}.{name}"), name=error.name) from None
