"""docs/int8.md, from docs/int8.json and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import fill, table, versions, vnni

TEMPLATE = Path(__file__).with_suffix(".md")


def page(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result of `python -m benchmarks.int8`."""
    nets, speed = result["nets"], result["speed"]
    last = [(net["top1"], net["steps"][-1]) for net in nets.values()]
    gains = [net["steps"][-2]["held_out_noise"] - net["steps"][-1]["held_out_noise"] for net in nets.values()]
    values = {
        "net_count": len(nets),
        "most_lost": max(top1 - step["top1"] for top1, step in last),
        "least_agreement": min(step["agreement"] for _, step in last),
        "least_gain": min(gains),
        "most_gain": max(gains),
        "least_share": _share(min(gains)),
        "most_share": _share(max(gains)),
        "nets": "\n\n".join(_net(name, net) for name, net in sorted(nets.items())),
        "speed": speed,
        "speed_environment": _environment(speed),
        "overflow": "\n\n".join(_overflow(name, net) for name, net in sorted(result["overflow"].items())),
    }
    return fill(TEMPLATE, values)


def _share(decibels: float) -> float:
    """Return the share of the noise that is gone, in percent, if it is so much lower."""
    return 100 * (1 - 10 ** (-decibels / 10))


def _net(name: str, net: Mapping[str, Any]) -> str:
    calibration = net["calibration"]
    text = (
        f"Calibrated on {calibration['pictures']} training pictures of {net['dataset']}, drawn with seed "
        f"{calibration['seed']}; held out are {net['held_out_pictures']:,} others. Tested on all "
        f"{net['test_pictures']:,} test pictures, of which float32 gets {net['top1']:.2f}% right. {_environment(net)}"
    )
    return "\n\n".join((f"## `{name}`", text, _steps(net), _layers(net["layers"])))


def _steps(net: Mapping[str, Any]) -> str:
    rows = []
    for step in net["steps"]:
        shares = [f"{step[key]:.2f}%" for key in ("held_out_agreement", "agreement", "top1")]
        rows.append([step["step"], f"{step['held_out_noise']:.1f} dB", *shares, f"{net['top1'] - step['top1']:.2f}"])
    same = ["same answer as fp32, held out", "same answer, test"]
    return table(["step", "noise, held out", *same, "top-1, test", "lost"], rows)


def _overflow(name: str, net: Mapping[str, Any]) -> str:
    time = net["time"]
    text = (
        f"`{name}` on all test pictures, one thread. With the entry one picture takes {time['median']:.2f} times as "
        f"long (quartiles {time['low']:.2f} – {time['high']:.2f}, {time['rounds']} rounds in alternation). "
        f"{_environment(net)}"
    )
    rows = []
    for entry, milliseconds in (("with", time["first_ms"]), ("without", time["second_ms"])):
        found = net[entry]
        shares = [f"{found[key]:.2f}%" for key in ("agreement", "top1")]
        rows.append([f"{entry} the entry", f"{found['noise']:.1f} dB", *shares, f"{milliseconds:.2f} ms"])
    columns = ["int8", "noise", "same answer as fp32", "top-1", "one picture"]
    return "\n\n".join((text, table(columns, rows)))


def _layers(layers: list[Mapping[str, Any]]) -> str:
    columns = ["layer", r"\|alpha\| / \|beta\|, median", "largest", "crest factor, median", "of a single weight"]
    return table(
        columns,
        [
            [
                f"`{layer['layer']}`",
                f"{layer['ratio']:.2f}",
                f"{layer['largest_ratio']:.0f}",
                f"{layer['crest']:.1f}",
                f"{layer['single_weight']:.1f}",
            ]
            for layer in layers
        ],
    )


def _environment(measured: Mapping[str, Any]) -> str:
    return f"Measured on {measured['machine']}, {vnni(measured)}, with {versions(measured)}."
