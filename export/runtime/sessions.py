"""ONNX Runtime sessions in which an int8 graph gives the same numbers on every processor.

Without the session entry EXACT, x86 processors that lack VNNI add pairs of int8 products in 16 bits, which overflows if
both weights are large. The entry also slows down processors with VNNI, which do not need it. It has no effect on
non-x86 processors or on float graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from export.layout import EXACT

CPU = "CPUExecutionProvider"
_CPUINFO = Path("/proc/cpuinfo")
_VNNI = {"avx512_vnni", "avx_vnni"}


def session_options(threads: int = 0) -> onnxruntime.SessionOptions:
    """Return options with this many threads within an operator (0: ONNX Runtime chooses) and exact int8 arithmetic."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not has_vnni():
        options.add_session_config_entry(*EXACT)
    return options


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
    providers: Sequence[str] = (CPU,),
    *,
    spinning: bool = True,
    **options: Any,
) -> onnxruntime.InferenceSession:
    """Open a session for a graph.

    Args:
        model: the graph's file, or its bytes.
        threads: see `session_options`.
        providers: ONNX Runtime's execution providers, in order of preference.
        spinning: whether waiting threads spin; if not, they leave the processor to other work.
        options: attributes of `onnxruntime.SessionOptions` to set.

    Example:
        >>> session = open_session(Path("build/bundle/onnx/model.onnx"), threads=2, spinning=False)
    """
    settings = session_options(threads)
    if not spinning:
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, value in options.items():
        setattr(settings, name, value)
    return onnxruntime.InferenceSession(model, settings, providers=list(providers))
