"""How commands declare their arguments: by typer's `Option` and `Argument`.

Where typer is not installed, records of the same attributes take their place; `export.commands.alone` reads either.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def _record(*param_decls: str, help: str = "", min: int | None = None, **_: Any) -> SimpleNamespace:
    return SimpleNamespace(param_decls=param_decls, help=help, min=min, is_option=True)


def _argument(*param_decls: str, help: str = "", metavar: str | None = None, **_: Any) -> SimpleNamespace:
    return SimpleNamespace(param_decls=param_decls, help=help, metavar=metavar, min=None, is_option=False)


typer: Any
try:
    import typer
except ModuleNotFoundError:
    typer = SimpleNamespace(Option=_record, Argument=_argument)
