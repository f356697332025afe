"""`diracnet predict` by itself, read by the standard library's argparse: what diracnet-runtime has of the commands."""

from __future__ import annotations

import argparse
import inspect
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from types import NoneType
from typing import Any, get_args, get_origin

from export.commands.predict import predict
from zoo.lacking import lacking
from zoo.printing import say

_NOTE = "Without PyTorch, MODEL is a bundle's folder, an .onnx file or ORG/NAME on the Hub."


def start() -> None:
    """Read the command line, classify pictures and end the process.

    Raises:
        ValueError: another command is called.
    """
    parser = argparse.ArgumentParser("diracnet", description="Exported DiracNets, run without PyTorch.")
    parser.add_argument(
        "--version", action=_Versions, nargs=0, default=argparse.SUPPRESS, help="show the versions and exit"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    text = inspect.getdoc(predict)
    own = commands.add_parser("predict", help=text, description=text, epilog=_NOTE, allow_abbrev=False)
    for parameter in inspect.signature(predict, eval_str=True).parameters.values():
        _add(own, parameter)
    name = sys.argv[1] if len(sys.argv) > 1 else "-h"
    if not name.startswith("-") and name != "predict":
        raise ValueError(lacking(f"the command {name!r}"))
    predict(**vars(parser.parse_args(sys.argv[1:] or ["-h"])))
    sys.exit()


def _add(parser: argparse.ArgumentParser, parameter: inspect.Parameter) -> None:
    """Add an option or an argument as a parameter of a command declares it."""
    kind, declared = get_args(parameter.annotation)
    text = declared.help.replace("%", "%%")  # argparse formats it
    several = get_origin(kind) is list
    base: Any = next((each for each in get_args(kind) if each is not NoneType), kind)
    if parameter.default is parameter.empty:
        metavar = getattr(declared, "metavar", None) or parameter.name.upper()
        parser.add_argument(parameter.name, metavar=metavar, help=text, nargs="+" if several else None, type=base)
        return
    names = declared.param_decls or (f"--{parameter.name.replace('_', '-')}",)
    more: dict[str, Any] = {"dest": parameter.name, "help": text, "default": parameter.default}
    if base is bool:
        parser.add_argument(*names, action="store_true", **more)
    else:
        parser.add_argument(*names, type=_at_least(declared.min) if base is int else base, **more)


def _at_least(least: int | None) -> Any:
    """Return the reader of whole numbers, which refuses those below the least."""

    def number(text: str) -> int:
        value = int(text)
        if least is not None and value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    return number


class _Versions(argparse.Action):
    """Print the versions of what is installed of ours; they are looked up when they are asked for."""

    def __call__(self, *_: Any, **__: Any) -> None:
        found = []
        for name in ("diracnet-runtime", "diracnet-zoo"):
            with suppress(PackageNotFoundError):
                found.append(f"{name} {version(name)}")
        say(", ".join(found))
        sys.exit()
