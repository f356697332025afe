"""ONNX Runtime sessions in which an int8 graph gives the same numbers on every processor.

Without the session entry EXACT, x86 processors that lack VNNI add pairs of int8 products in 16 bits, which overflows if
both weights are large. The entry also slows down processors with VNNI, which do not need it. It has no effect on
non-x86 processors or on float graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import onnxruntime

from export.layout import EXACT

CPU = "CPUExecutionProvider"
MOST_THREADS = 1024
Providers: TypeAlias = "str | Sequence[str | tuple[str, Mapping[str, Any]]]"
"""ONNX Runtime's execution providers, in order of preference: the name of one, or names and pairs (name, options)."""
_CPUINFO = Path("/proc/cpuinfo")
_VNNI = {"avx512_vnni", "avx_vnni"}


def session_options(threads: int = 0) -> onnxruntime.SessionOptions:
    """Return options with this many threads within an operator (0: ONNX Runtime chooses) and exact int8 arithmetic."""
    check_threads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not has_vnni():
        options.add_session_config_entry(*EXACT)
    return options


def check_threads(threads: int) -> None:
    """Raise ValueError unless a session can have this many threads."""
    if type(threads) is not int or not 0 <= threads <= MOST_THREADS:
        raise ValueError(f"threads={threads!r}: must be a whole number from 0 (ONNX Runtime chooses) to {MOST_THREADS}")


def has_vnni(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor is known to multiply int8 exactly and fast; only Linux reports this."""
    try:
        with cpuinfo.open(encoding="utf-8") as lines:
            flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    except OSError:
        return False
    return not _VNNI.isdisjoint(flags)


def open_session(
    model: Path | bytes,
    threads: int = 0,
    providers: Providers = CPU,
    *,
    spinning: bool = True,
    **options: Any,
) -> onnxruntime.InferenceSession:
    """Open a session for a graph.

    Args:
        model: the graph's file, or its bytes.
        threads: see `session_options`.
        providers: see `Providers`.
        spinning: whether waiting threads spin; if not, they leave the processor to other work.
        options: attributes of `onnxruntime.SessionOptions` to set.

    Example:
        >>> session = open_session(export.emit(folded).SerializeToString(), threads=2, spinning=False)
        >>> session.get_inputs()[0].name
        'pixel_values'
    """
    settings = session_options(threads)
    if not spinning:
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, value in options.items():
        setattr(settings, name, value)
    return onnxruntime.InferenceSession(
        model, settings, providers=[providers] if isinstance(providers, str) else list(providers)
    )


def provider_names(providers: Providers) -> list[str]:
    """Return the names of execution providers; ValueError unless this ONNX Runtime has all of them.

    Example:
        >>> provider_names([("CPUExecutionProvider", {})])
        ['CPUExecutionProvider']
    """
    given = [providers] if isinstance(providers, str) else providers
    if not isinstance(given, Sequence) or not all(map(_is_provider, given)):
        raise TypeError(f"providers={providers!r}: must be a name, or a list of names and of pairs (name, options)")
    names = [each if isinstance(each, str) else each[0] for each in given]
    available = onnxruntime.get_available_providers()
    unknown = [name for name in names if name not in available]
    if unknown or not names:
        named = ", ".join(unknown) or "none is named"
        raise ValueError(f"providers: {named}: this ONNX Runtime has {', '.join(available)}")
    return names


def _is_provider(given: Any) -> bool:
    if isinstance(given, str):
        return True
    pair = isinstance(given, (tuple, list)) and len(given) == 2
    return pair and isinstance(given[0], str) and isinstance(given[1], Mapping)
