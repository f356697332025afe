"""docs/devices.md, from docs/devices.json and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import fill, table, versions, vnni
from runtimes.mcu.comparison import OURS, bars, compared, ram, trained

TEMPLATE = Path(__file__).with_suffix(".md")
FIRST = "diracnet16_cifar:cifar10"
"""The net that the page's first sentences are about."""


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result of `python -m runtimes.mcu`."""
    nets = result["nets"]
    boards = list(nets[FIRST]["boards"])
    differing = sum(
        cell["differing_logits"] for net in nets.values() for cell in (*net["boards"].values(), net["micro"])
    )
    measured = [net["accuracy"] for net in nets.values() if "accuracy" in net]
    values = {
        "first": nets[FIRST],
        "name": FIRST,
        "ram": ram(nets[FIRST]),
        "share": ram(nets[FIRST]) / nets[FIRST]["micro"]["arena"],
        "same": "are" if differing == 0 else f"differ in {differing} places and so are not",
        "bits": _bits(measured),
        "memory": table(
            ["net", "multiply-adds", "largest map", "C: scratch", "and stack", "TFLM: arena", "C / TFLM"],
            [
                [
                    f"`{name}`",
                    f"{net['multiply_adds'] / 1e6:.1f} M",
                    f"{net['largest_map']:,}",
                    f"{net['scratch']:,}",
                    f"{ram(net) - net['scratch']:,}",
                    f"{net['micro']['arena']:,}",
                    f"{ram(net) / net['micro']['arena']:.2f}",
                ]
                for name, net in nets.items()
            ],
        ),
        "work": table(
            ["net", "C: flash", "`model_int8.tflite`", *(f"{board}: instructions" for board in boards)],
            [
                [
                    f"`{name}`",
                    f"{net['boards'][boards[0]]['flash']:,}",
                    f"{net['micro']['model']:,}",
                    *(f"{net['boards'][board]['instructions'] / 1e6:.1f} M" for board in boards),
                ]
                for name, net in nets.items()
            ],
        ),
        "speed": table(
            ["net", "processor with VNNI", "C, ms", "ONNX Runtime, ms", "C / ONNX Runtime", "quartiles"],
            [
                [
                    f"`{name}`",
                    "yes" if net["environment"]["vnni"] else "no",
                    f"{net['speed']['first_ms']:.2f}",
                    f"{net['speed']['second_ms']:.2f}",
                    f"{net['speed']['median']:.1f}",
                    f"{net['speed']['low']:.1f} … {net['speed']['high']:.1f}",
                ]
                for name, net in nets.items()
            ],
        ),
        "rounds": nets[FIRST]["speed"]["rounds"],
        "compared": compared(result),
        "bars": bars(result),
        "trained": trained(result),
        "ours": OURS[0],
        "accuracy": _accuracy(nets),
        "environments": _environments(nets),
    }
    return fill(TEMPLATE, values)


def _bits(measured: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence on the test pictures, or nothing where none were measured."""
    if not measured:
        return ""
    compared, differing = (sum(one[key] for one in measured) for key in ("reference_pictures", "differing_logits"))
    return f" On {compared:,} test pictures C and LiteRT's reference kernels differ in {differing} logits."


def _accuracy(nets: Mapping[str, Any]) -> str:
    """Return the table of accuracies, or how to measure them."""
    measured = {name: net["accuracy"] for name, net in nets.items() if "accuracy" in net}
    if not measured:
        return "Not measured here; `make mcu DATA=FOLDER` measures it on a data set's test pictures."
    keys = ("float32", "int8", "litert_default", "agreement")
    columns = ["net", "pictures", "float32", "int8, C", "int8, LiteRT's default kernels", "same answers, C / float32"]
    rows = [
        [f"`{name}`", f"{found['pictures']:,}", *(f"{found[key]:.2f}%" for key in keys)]
        for name, found in measured.items()
    ]
    return "int8 follows from the same record as the ONNX graph.\n\n" + table(columns, rows)


def _environments(nets: Mapping[str, Any]) -> str:
    """Return on which machines nets were measured, and with which versions; those that share both together."""
    groups: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    for name, net in nets.items():
        environment = net["environment"]
        groups.setdefault(json.dumps(environment, sort_keys=True), (environment, []))[1].append(f"`{name}`")
    return "\n\n".join(
        f"{', '.join(names)}: on {environment['machine']}, {vnni(environment)}, on {environment['pictures']} pictures "
        f"on each board; {versions(environment)}."
        for environment, names in groups.values()
    )
