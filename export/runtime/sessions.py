"""ONNX Runtime's options under which an int8 graph comes to the same numbers on every processor."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

EXACT = ("session.x64quantprecision", "1")
"""Session entry with which x86 processors multiply int8 exactly.

Without it those that lack VNNI add pairs of products in 16 bits, which overflow where both weights are large.
It costs time on processors with VNNI too, which need it not; on others than x86, and for float graphs, it does nothing.
"""
_CPUINFO = Path("/proc/cpuinfo")
_VNNI = {"avx512_vnni", "avx_vnni"}


def session_options(threads: int = 0) -> onnxruntime.SessionOptions:
    """Return options with this number of threads within an operator (0: ONNX Runtime's choice), exact for int8."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not has_vnni():
        options.add_session_config_entry(*EXACT)
    return options


def has_vnni(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor is known to multiply int8 exactly and fast; only Linux says so."""
    try:
        with cpuinfo.open(encoding="utf-8") as lines:
            flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    except OSError:
        return False
    return not _VNNI.isdisjoint(flags)
