"""Time and memory of a command that runs in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

# Runs between this process and the measured one, because Linux counts the memory of a parent at the time of the fork as
# that of its child.
_BETWEEN = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL).returncode
wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


@dataclass(frozen=True)
class Cost:
    """Cost of one process: wall and processor seconds, and peak memory in MB."""

    wall_seconds: float
    cpu_seconds: float
    memory_mb: float


def cost(arguments: Sequence[str]) -> Cost:
    """Run this interpreter with arguments and return its cost; RuntimeError if it fails."""
    command = [sys.executable, "-c", _BETWEEN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    code, *costs = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{' '.join(arguments)} ended with {code}: {done.stderr.strip()}")
    return Cost(*costs)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the cost with the median wall time."""
    return sorted(costs, key=lambda one: one.wall_seconds)[len(costs) // 2]
