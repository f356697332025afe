"""docs/benchmarks.md, its plots and the README's table, from docs/benchmarks.json and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.report import fill, spread, table, versions, write_page
from benchmarks.training import LIMITS, product_name

TEMPLATE = Path(__file__).with_suffix(".md")
FIRST, LAST = "<!-- Written by `make bench`: -->\n", "<!-- Until here. -->\n"
"""The lines around the README's table."""
IN_README = ("DiracNet-18", "ResNet-18", "DiracNet-34", "ResNet-34")
"""The nets in the README's table; the page has all."""
SIZE = (4.6, 3.8)
"""Size of a plot's panel, in inches."""
_FOLDING = "DiracNet-18, PyTorch, {}, batch 1: folded / training form"


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown."""
    bars, inference = [*result["bars"]["bars"], *_step_bars(result["training"]["ratios"])], result["inference"]
    step = next(row for row in bars if "Dirac training step" in row["name"])
    folding = [(how, inference["ratios"][_FOLDING.format(how)]["median"]) for how in ("eager", "compiled")]
    missed = [f"{row['name']} ({row['median']:.3f}, bar {row['bar']:.2f})" for row in bars if not _met(row)]
    nets = inference["nets"]
    values = {
        "inference": inference,
        "fp32": _find(inference, "ONNX Runtime", "fp32", 1),
        "int8": _find(inference, "ONNX Runtime", "int8", 1),
        "folding": " and ".join(f"{ratio:.2f} ({how})" for how, ratio in folding),
        "met": len(bars) - len(missed),
        "bar_count": len(bars),
        "missed": "; ".join(missed) or "none",
        "dirac_step": step["median"],
        "machines": _machines(result),
        "bars_table": _bars(bars),
        "times": "\n\n".join(_times(timed, inference["base"]) for timed in inference["times"]),
        "folding_table": _ratios(inference),
        "accuracies": "; ".join(
            f"{name} {net['top1']:.2f}% ({net['source']})" for name, net in nets.items() if net["top1"]
        ),
        "sizes": _sizes(nets),
        "training_table": _ratios(result["training"]),
        "operators_table": _operators(result["training"]["operators"]),
        "processes": _processes(result["exporting"]["processes"]),
        "exporting_table": _ratios(result["exporting"]),
        "first_answer_table": _ratios(result["first-answer"]),
    }
    return fill(TEMPLATE, values)


def draw(inference: Mapping[str, Any], folder: Path) -> None:
    """Write the plots of the part `inference`."""
    top1 = {name: net["top1"] for name, net in inference["nets"].items()}
    timed = {precision: _find(inference, "ONNX Runtime", precision, 1) for precision in ("fp32", "int8")}
    panels = [plots.accuracy(f"ONNX Runtime, {precision}", nets, top1) for precision, nets in timed.items()]
    plots.save(folder / "accuracy.png", panels, SIZE)
    plots.save(folder / "memory.png", [plots.memory(inference["nets"])], SIZE)


def write_summary(inference: Mapping[str, Any], readme: Path) -> None:
    """Replace the README's table."""
    before, rest = readme.read_text(encoding="utf-8").split(FIRST, 1)
    write_page(readme, f"{before}{summary(inference)}{LAST}{rest.split(LAST, 1)[1]}")


def summary(inference: Mapping[str, Any]) -> str:
    """Return the README's table with the line before it."""
    base = inference["base"]
    timed = [_find(inference, "ONNX Runtime", precision, 1) for precision in ("fp32", "int8")]
    rows = []
    for name in IN_README:
        net = inference["nets"][name]
        row = [name, f"{net['top1']:.2f}%"]
        for nets in timed:
            row += [f"{nets[name]['ms']['median']:.1f} ms", f"{nets[name]['ratio']['median']:.2f}"]
        rows.append([*row, f"{net['int8']['file_mb']:.1f} MB"])
    columns = ("net", "top-1, ImageNet", "fp32", f"of {base}", "int8", f"of {base}", "int8 file")
    return f"{FIRST}\n{table(columns, rows)}\n\n"


def _find(inference: Mapping[str, Any], runtime: str, precision: str, batch: int) -> Mapping[str, Any]:
    for timed in inference["times"]:
        if (timed["runtime"], timed["precision"], timed["batch"]) == (runtime, precision, batch):
            nets: Mapping[str, Any] = timed["nets"]
            return nets
    raise ValueError(f"nothing was measured for {runtime}, {precision}, batch {batch}")


def _step_bars(ratios: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the rows of the part `training` that have a bar, with it."""
    return [{**ratios[product_name(precision)], "bar": limit} for precision, limit in LIMITS.items()]


def _operators(shares: Mapping[str, float]) -> str:
    """Return a table of the operators with more than one percent of a step's time."""
    large = {name: shares[name] for name in sorted(shares, key=shares.__getitem__, reverse=True) if shares[name] > 1}
    rows = [[f"`{name}`", f"{share:.1f}%"] for name, share in large.items()]
    return table(["operator", "share"], [*rows, ["all others", f"{100 - sum(large.values()):.1f}%"]])


def _met(row: Mapping[str, Any]) -> bool:
    return bool(row["median"] <= row["bar"])


def _machines(result: Mapping[str, Any]) -> str:
    """Return a line for each machine, threads and versions, with the parts measured under them."""
    parts: dict[str, list[str]] = {}
    for name, part in result.items():
        key = f"{part['machine']}, {part['threads']} threads; {versions(part)}"
        parts.setdefault(key, []).append(f"`{name}` (load {part['load']:.1f})")
    return "\n\n".join(f"{', '.join(names)}: {key}." for key, names in parts.items())


def _bars(rows: list[Mapping[str, Any]]) -> str:
    return table(
        ["what", "measured", "bar", "met", "ms", "rounds"],
        [
            [
                row["name"],
                spread(row, 3),
                f"{row['bar']:.2f}",
                "yes" if _met(row) else "no",
                f"{row['first_ms']:.1f}, {row['second_ms']:.1f}",
                row["rounds"],
            ]
            for row in rows
        ],
    )


def _times(timed: Mapping[str, Any], base: str) -> str:
    runtime, precision, batch, rounds = (timed[key] for key in ("runtime", "precision", "batch", "rounds"))
    rows = [
        [name, spread(net["ms"], 1), spread(net["ratio"]), f"{1000 * batch / net['ms']['median']:.0f}"]
        for name, net in timed["nets"].items()
    ]
    measured = table(["net", "ms a batch", f"relative to {base}", "pictures a second"], rows)
    return f"### {runtime}, {precision}, batch {batch}\n\n{measured}\n\n{rounds} rounds."


def _ratios(part: Mapping[str, Any]) -> str:
    return table(
        ["a / b", "ratio", "a, ms", "b, ms", "rounds"],
        [
            [row["name"], spread(row, 3), f"{row['first_ms']:.1f}", f"{row['second_ms']:.1f}", row["rounds"]]
            for row in part["ratios"].values()
        ],
    )


def _sizes(nets: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, net in nets.items():
        file, memory, start = (
            " / ".join(f"{net[precision][key]:.{digits}f}" for precision in ("fp32", "int8"))
            for key, digits in (("file_mb", 1), ("memory_mb", 0), ("wall_seconds", 2))
        )
        counts = [f"{net['parameters'] / 1e6:.2f} M", f"{net['multiply_adds'] / 1e9:.2f} G"]
        rows.append([name, *counts, f"{file} MB", f"{memory} MB", f"{start} s"])
    both = [f"{what}, fp32 / int8" for what in ("file", "memory", "first answer")]
    return table(["net", "parameters", "multiply-adds", *both], rows)


def _processes(processes: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        [name, f"{cost['wall_seconds']:.1f} s", f"{cost['cpu_seconds']:.1f} s", f"{cost['memory_mb']:.0f} MB"]
        for name, cost in processes.items()
    ]
    return table(["process", "wall", "processor", "memory"], rows)
