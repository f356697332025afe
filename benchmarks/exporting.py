"""`python -m benchmarks.exporting`: what an export of DiracNet-18 costs as a process; kept in docs/exporting.json."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zoo.files import write_json
from zoo.training.environment import processor

RECORD = Path("docs/exporting.json")
ROUNDS = 3
FORMATS = ("fp32", "all")


def measure(formats: str) -> dict[str, float]:
    """Export once. Return wall and processor seconds, the largest memory in MB, and the bundle's size in MB."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "bundle"
        start = time.perf_counter()
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "export", "export", "diracnet18", "--formats", formats, "--out", str(out)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        if status:
            raise RuntimeError(f"the export ended with {os.waitstatus_to_exitcode(status)}")
        return {
            "wall_seconds": wall,
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "memory_mb": used.ru_maxrss / 1024,
            "disk_mb": sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6,
        }


def main() -> None:
    """Export in alternation, keep the run with the median wall time of each, print and write them."""
    runs: dict[str, list[dict[str, float]]] = {formats: [] for formats in FORMATS}
    for _ in range(ROUNDS):
        for formats in FORMATS:
            runs[formats].append(measure(formats))
    result: dict[str, Any] = {
        "what": "diracnet export diracnet18, untrained, with verification",
        "machine": processor(),
        "rounds": ROUNDS,
        "versions": {name: version(name) for name in ("torch", "onnx", "onnxruntime")},
        "median": {key: sorted(found, key=lambda run: run["wall_seconds"])[ROUNDS // 2] for key, found in runs.items()},
    }
    write_json(RECORD, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
