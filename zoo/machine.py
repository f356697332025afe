"""What measured figures depend on besides the code: hardware and versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def environment(device: torch.device) -> dict[str, str]:
    """Return the device, the threads and the versions that a run on this device computes with."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "accelerate", "numpy")},
    }


def describe(packages: Sequence[str], threads: int | None = None) -> dict[str, Any]:
    """Return what measured figures are recorded with: the machine, Python and the versions of packages.

    Args:
        packages: names of installed distributions.
        threads: how many were used, if that was chosen.

    Returns:
        `machine`, `versions` (with `python`) and, if given, `threads`; ready for JSON.

    Raises:
        importlib.metadata.PackageNotFoundError: a package is not installed.

    Example:
        >>> describe(["numpy"], threads=2)
        {'machine': '...', 'versions': {'python': '3...', 'numpy': '...'}, 'threads': 2}
    """
    versions = {"python": platform.python_version(), **{name: version(name) for name in packages}}
    return {"machine": processor(), "versions": versions, **({} if threads is None else {"threads": threads})}


def processor() -> str:
    """Return the processor's own name where Linux reports it, with the number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} cores"
