"""docs/int8.md, written from docs/int8.json and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result of `python -m benchmarks.int8`."""
    lines = [
        "# int8",
        "",
        "Written by `python -m benchmarks.int8`, as is [int8.json](int8.json), from which it is made.",
        "",
        "The int8 form has int8 weights with a scale for each filter, and uint8 values between the layers (static, "
        "QDQ). ONNX Runtime computes all of it in int8, between an input and logits in float32. A ReLU costs nothing: "
        "it is the lower end of a grid. In nets of version 1 the NCReLU is computed in int8 too.",
        "",
        "Why it needs care: a Dirac filter is one large weight, the identity, beside many small ones that were "
        "learned. A scale that holds the large one leaves the others few steps, so that rounding each weight to the "
        "nearest makes most of the error. Rounding the weights of a filter together takes most of it away.",
        "",
    ]
    for name, net in sorted(result.get("nets", {}).items()):
        lines += [*_net(name, net), ""]
    if "speed" in result:
        speed = result["speed"]
        lines += [
            "## Speed",
            "",
            f"{speed['name']}: {speed['median']:.2f} (quartiles {speed['low']:.2f} – {speed['high']:.2f}; "
            f"{speed['first_ms']:.1f} ms and {speed['second_ms']:.1f} ms, {speed['rounds']} rounds in alternation, "
            f"untrained weights). {_environment(speed)}",
            "",
        ]
    lines += [
        "## Processors",
        "",
        "x86 servers have had VNNI, instructions for int8, since 2019. On x86 without them ONNX Runtime adds pairs of "
        "int8 products in 16 bits, which are too few where both weights are large. The session entry "
        "`session.x64quantprecision` = `1` makes it exact there; with VNNI it only makes it slower. `diracnet`, "
        "`export.runtime.Classifier` and all checks set it where the processor is not known to have VNNI, so that "
        "accuracies are the same on both. The speed above is that with VNNI.",
        "",
        *_overflow(result.get("overflow", {})),
    ]
    return "\n".join(lines)


def _overflow(nets: Mapping[str, Any]) -> Iterator[str]:
    """A table of what goes wrong without the session entry."""
    if not nets:
        return
    yield "All test pictures on a processor without VNNI, with the entry and without:"
    yield ""
    yield "| net | noise | same answer as fp32 | top-1 | time of one picture, with / without (quartiles) |"
    yield "|---|---|---|---|---|"
    for name, net in sorted(nets.items()):
        exact, careless, time = net["with"], net["without"], net["time"]
        yield (
            f"| `{name}` | {exact['noise']:.1f} dB, {careless['noise']:.1f} dB | {exact['agreement']:.2f} %, "
            f"{careless['agreement']:.2f} % | {exact['top1']:.2f} %, {careless['top1']:.2f} % | "
            f"{time['median']:.2f} ({time['low']:.2f} – {time['high']:.2f}) |"
        )
    yield ""
    yield from dict.fromkeys(_environment(net) for net in nets.values())
    yield ""


def _net(name: str, net: Mapping[str, Any]) -> Iterator[str]:
    calibration = net["calibration"]
    yield f"## `{name}`"
    yield ""
    yield (
        f"Calibrated on {calibration['pictures']} training pictures of {net['dataset']}, drawn with seed "
        f"{calibration['seed']}. “Held out” are {net['held_out_pictures']:,} other training pictures, on which the "
        f"steps were chosen; “test” are all {net['test_pictures']:,} test pictures. “Noise” is the variance of what "
        f"int8 adds to the logits, relative to theirs. float32 has {net['top1']:.2f} % top-1."
    )
    yield ""
    yield "| step | noise, held out | same answer as fp32, held out | same answer, test | top-1, test | lost |"
    yield "|---|---|---|---|---|---|"
    for row in net["steps"]:
        yield (
            f"| {row['step']} | {row['held_out_noise']:.1f} dB | {row['held_out_agreement']:.2f} % | "
            f"{row['agreement']:.2f} % | {row['top1']:.2f} % | {net['top1'] - row['top1']:.2f} |"
        )
    yield ""
    yield "Each step stands on those before it; the last line is the shipped file."
    yield ""
    yield (
        "A filter's crest factor is its largest weight relative to their root mean square: 1 if all are equally large, "
        "the last column if there is one alone."
    )
    yield ""
    yield "| layer | \\|alpha\\| / \\|beta\\|, median | largest | crest factor, median | of a single weight |"
    yield "|---|---|---|---|---|"
    for layer in net["layers"]:
        yield (
            f"| `{layer['layer']}` | {layer['ratio']:.2f} | {layer['largest_ratio']:.0f} | {layer['crest']:.1f} | "
            f"{layer['single_weight']:.1f} |"
        )
    yield ""
    yield _environment(net)


def _environment(measured: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in measured["versions"].items())
    # All machines had VNNI before it was recorded.
    vnni = "with" if measured.get("vnni", True) else "without"
    return f"Measured on {measured['machine']}, {vnni} VNNI, with {versions}."
