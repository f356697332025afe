"""What a command costs as a process of its own: time, memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Of one process: wall and processor seconds, and the largest memory in MB."""

    wall_seconds: float
    cpu_seconds: float
    memory_mb: float


def cost(arguments: Sequence[str]) -> Cost:
    """Run this interpreter with arguments and return what it cost; RuntimeError where it fails."""
    start = time.perf_counter()
    child = subprocess.Popen(  # noqa: S603
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {child.returncode}")
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the one of median wall time."""
    return sorted(costs, key=lambda one: one.wall_seconds)[len(costs) // 2]
