"""docs/benchmarks.md, written from docs/benchmarks.json and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.remedies import PAIRS
from zoo.files import replace_file

HEAD = """# Benchmarks

Written by `make bench` (`python -m benchmarks`), as is [benchmarks.json](benchmarks.json), from which it is made.

All that is compared is timed in alternation in one process, round by round; ratios are taken within a round, and what
is given is their median with the quartiles in parentheses. The processor is shared with others, so that the
milliseconds say less than the ratios. Weights are random: they do not matter for the cost. Threads that wait do not
spin, in ONNX Runtime and PyTorch.
"""


FIRST, LAST = "<!-- Written by `make bench`: -->\n", "<!-- Until here. -->\n"
"""What the README's own table stands between."""


def write_page(result: Mapping[str, Any], docs: Path) -> None:
    """Write the page and the plots of those parts that were measured, and the README's table."""
    folder = docs / "benchmarks"
    if "inference" in result:
        part = result["inference"]
        chosen = (("ONNX Runtime", "fp32"), ("ONNX Runtime", "int8"))
        tables = {f"{runtime}, {precision}": _find(part, runtime, precision, 1) for runtime, precision in chosen}
        plots.accuracy(tables, {name: net["top1"] for name, net in part["nets"].items()}, folder / "accuracy.png")
        plots.memory(part["nets"], folder / "memory.png")
    if "growth" in result:
        plots.growth(result["growth"]["axes"], folder / "growth.png")
    with replace_file(docs / "benchmarks.md") as temporary:
        temporary.write_text(page(result), encoding="utf-8")
    readme = docs.parent / "README.md"
    if "inference" in result and readme.is_file():
        text = readme.read_text(encoding="utf-8")
        before, rest = text.split(FIRST, 1)
        with replace_file(readme) as temporary:
            temporary.write_text(f"{before}{summary(result)}{LAST}{rest.split(LAST, 1)[1]}", encoding="utf-8")


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown."""
    writers = {
        "bars": _bars,
        "remedies": _remedies,
        "inference": _inference,
        "training": _training,
        "exporting": _exporting,
        "first-answer": _first_answer,
        "growth": _growth,
    }
    lines = [HEAD]
    for part, writer in writers.items():
        if part in result:
            lines += [*writer(result[part]), "", _environment(part, result[part]), ""]
    return "\n".join(lines)


def summary(result: Mapping[str, Any]) -> str:
    """Return the README's table with the lines that it stands between, but for the last."""
    part = result["inference"]
    single, whole = (_find(part, "ONNX Runtime", precision, 1) for precision in ("fp32", "int8"))
    lines = [FIRST, f"| net | top-1, ImageNet | fp32 | of {part['base']} | int8 | of {part['base']} | int8 file |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, net in part["nets"].items():
        times = [f"{one[name]['ms']['median']:.1f} ms | {one[name]['ratio']['median']:.2f}" for one in (single, whole)]
        top1 = f"{net['top1']:.2f} %" if net["top1"] else "–"
        lines.append(f"| {name} | {top1} | {' | '.join(times)} | {net['int8']['file_mb']:.1f} MB |")
    return "\n".join([*lines, "", ""])


def _find(part: Mapping[str, Any], runtime: str, precision: str, batch: int) -> Mapping[str, Any]:
    for table in part["times"]:
        if (table["runtime"], table["precision"], table["batch"]) == (runtime, precision, batch):
            nets: Mapping[str, Any] = table["nets"]
            return nets
    raise ValueError(f"nothing was measured for {runtime}, {precision}, batch {batch}")


def _spread(found: Mapping[str, Any], digits: int = 2) -> str:
    low, median, high = (f"{found[key]:.{digits}f}" for key in ("low", "median", "high"))
    return f"{median} ({low} – {high})"


def _bars(part: Mapping[str, Any]) -> Iterator[str]:
    yield "## Bars"
    yield ""
    yield (
        "ONNX Runtime, 224×224, batch 1; the training step is that of the 28-layer CIFAR net. A bar is met if the "
        "median does not exceed it."
    )
    yield ""
    yield "| what | measured | bar | met | ms | rounds |"
    yield "|---|---|---|---|---|---|"
    for row in part["bars"]:
        met = "yes" if row["median"] <= row["bar"] else "no"
        yield (
            f"| {row['name']} | {_spread(row, 3)} | {row['bar']:.2f} | {met} | "
            f"{row['first_ms']:.1f}, {row['second_ms']:.1f} | {row['rounds']} |"
        )


def _remedies(part: Mapping[str, Any]) -> Iterator[str]:
    profiles = part["profiles"]
    yield "## Where the time goes, and what was tried"
    yield ""
    yield "Medians of ONNX Runtime's profile, fp32, 224×224, batch 1; ReLU and residual sums are in the convolutions."
    yield ""
    yield "| net | all kernels | 3×3 convolutions | their multiply-adds | a second | all else |"
    yield "|---|---|---|---|---|---|"
    rates = []
    for name, found in profiles.items():
        rates.append(found["in_3x3"] / found["in_3x3_ms"] / 1e6)
        yield (
            f"| {name} | {found['kernels_ms']:.2f} ms | {found['in_3x3_ms']:.2f} ms | {found['in_3x3'] / 1e9:.3f} G | "
            f"{rates[-1]:.0f} G | {found['kernels_ms'] - found['in_3x3_ms']:.2f} ms |"
        )
    ratios = []
    for first, second in PAIRS:
        one, other = profiles[first], profiles[second]
        ratios.append(
            f"{first} / {second}: {one['kernels_ms'] / other['kernels_ms']:.3f} in kernels, "
            f"{one['multiply_adds'] / other['multiply_adds']:.3f} in multiply-adds"
        )
    yield ""
    yield (
        f"{'; '.join(ratios)}. All four nets have their 3×3 convolutions computed at {min(rates):.0f} to "
        f"{max(rates):.0f} G multiply-adds a second, these are nearly all of their time, and both nets of a pair have "
        "the same of them. What a ResNet has besides is three projections, and sums that its convolutions' kernels add "
        "on the way: no more than that can be saved by leaving skip connections out, where both sides are computed by "
        "the same kernels. The bars of the first two rows ask for more."
    )
    yield ""
    yield "Tried, with the same change on both sides; the last one changes the way of computing itself:"
    yield ""
    yield from _ratios(part)


def _inference(part: Mapping[str, Any]) -> Iterator[str]:
    yield "## Inference"
    yield ""
    yield (
        "Ours are folded and written by `diracnet export`'s own writer, the others by torch.onnx.export, RepVGG "
        "re-parameterized. int8: all by onnxruntime.quantization with the same settings (static, QDQ, a scale a "
        "channel), so that speed is compared and nothing else."
    )
    for table in part["times"]:
        runtime, precision, batch, rounds = (table[key] for key in ("runtime", "precision", "batch", "rounds"))
        yield ""
        yield f"### {runtime}, {precision}, batch {batch}"
        yield ""
        yield f"| net | ms a batch | relative to {part['base']} | pictures a second |"
        yield "|---|---|---|---|"
        for name, found in table["nets"].items():
            second = 1000 * batch / found["ms"]["median"]
            yield f"| {name} | {_spread(found['ms'], 1)} | {_spread(found['ratio'])} | {second:.0f} |"
        yield ""
        yield f"{rounds} rounds."
    yield ""
    yield "### What folding brings"
    yield ""
    yield from _ratios(part)
    yield ""
    yield "### Accuracy against latency"
    yield ""
    yield (
        "Accuracies are published ones, of weights trained by others, with resizing as each source says: "
        + "; ".join(
            f"{name} {net['top1']:.2f} % ({net['source']})" for name, net in part["nets"].items() if net["top1"]
        )
        + ". DiracNet-18-0.75 and -0.5 of version 2 have no published weights."
    )
    yield ""
    yield "![accuracy against latency](benchmarks/accuracy.png)"
    yield ""
    yield "### Size, memory, start"
    yield ""
    yield (
        "Memory and time to the first answer are those of a process that imports ONNX Runtime, opens the graph and "
        "computes one picture."
    )
    yield ""
    yield "| net | parameters | multiply-adds | file, fp32 / int8 | memory, fp32 / int8 | first answer, fp32 / int8 |"
    yield "|---|---|---|---|---|---|"
    for name, net in part["nets"].items():
        pairs = [
            " / ".join(f"{net[precision][key]:.{digits}f}" for precision in ("fp32", "int8"))
            for key, digits in (("file_mb", 1), ("memory_mb", 0), ("wall_seconds", 2))
        ]
        yield (
            f"| {name} | {net['parameters'] / 1e6:.2f} M | {net['multiply_adds'] / 1e9:.2f} G | {pairs[0]} MB | "
            f"{pairs[1]} MB | {pairs[2]} s |"
        )
    yield ""
    yield "![memory](benchmarks/memory.png)"


def _ratios(part: Mapping[str, Any]) -> Iterator[str]:
    yield "| a / b | ratio | a, ms | b, ms | rounds |"
    yield "|---|---|---|---|---|"
    for row in part["ratios"].values():
        milliseconds = f"{row['first_ms']:.1f} | {row['second_ms']:.1f}"
        yield f"| {row['name']} | {_spread(row, 3)} | {milliseconds} | {row['rounds']} |"


def _training(part: Mapping[str, Any]) -> Iterator[str]:
    yield "## Training"
    yield ""
    yield "In float32, channels_last."
    yield ""
    yield from _ratios(part)


def _exporting(part: Mapping[str, Any]) -> Iterator[str]:
    yield "## Exporting"
    yield ""
    yield "Whole processes, from start to files; ours prove each file equal to its source and write a card."
    yield ""
    yield "| process | wall | processor | memory |"
    yield "|---|---|---|---|"
    for name, cost in part["processes"].items():
        wall, cpu, most = (cost[key] for key in ("wall_seconds", "cpu_seconds", "memory_mb"))
        yield f"| {name} | {wall:.1f} s | {cpu:.1f} s | {most:.0f} MB |"
    yield ""
    yield "The graph alone, in a process that has everything loaded:"
    yield ""
    yield from _ratios(part)


def _first_answer(part: Mapping[str, Any]) -> Iterator[str]:
    yield "## First answer"
    yield ""
    yield from _ratios(part)


def _growth(part: Mapping[str, Any]) -> Iterator[str]:
    yield "## Growth"
    yield ""
    yield (
        "DiracNet-18 in ONNX Runtime, fp32, 224×224, batch 1, two threads, but for what the axis names; the dotted "
        "line is what proportion to the multiply-adds gives, from the largest."
    )
    yield ""
    yield "![growth](benchmarks/growth.png)"
    for axis, points in part["axes"].items():
        yield ""
        values = [f"{point['value']:g}" for point in points]
        medians = [f"{point['ms']['median']:.2f}" for point in points]
        yield f"| {axis} | {' | '.join(values)} |"
        yield "|---" * (len(points) + 1) + "|"
        yield f"| ms a picture | {' | '.join(medians)} |"


def _environment(name: str, part: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{package} {number}" for package, number in part["versions"].items())
    return (
        f"Part `{name}`: {part['machine']}, {part['threads']} threads, load {part['load']:.1f} at its end; {versions}."
    )
