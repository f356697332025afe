"""What the pages say about the nets, in figures: all of it from the manifests, the bundles and the reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.layout import GRAPHS
from export.site.bundles import FORMATS
from export.site.chain import chain
from zoo import Spec, Weight
from zoo.files import read_json
from zoo.nets.registry import MODELS
from zoo.weights.record import all_weights

BENCHMARKED = {
    "diracnet18": "DiracNet-18",
    "diracnet34": "DiracNet-34",
    "diracnet18_x0_75": "DiracNet-18-0.75",
    "diracnet18_x0_5": "DiracNet-18-0.5",
}
"""Net → its name in docs/benchmarks.json."""
BOARD = "Cortex-M4"


@dataclass(frozen=True)
class Reports:
    """The reports in `docs/` that the pages quote.

    Args:
        devices: `devices.json`, by NAME:TAG.
        int8: `int8.json`, by NAME:TAG.
        times: milliseconds for a picture of 224×224, by precision and by net as in `benchmarks.json`.
    """

    devices: Mapping[str, Mapping[str, Any]]
    int8: Mapping[str, Mapping[str, Any]]
    times: Mapping[str, Mapping[str, float]]

    @classmethod
    def read(cls, docs: Path) -> Reports:
        """Read them from a folder."""
        times = {
            row["precision"]: {net: spread["ms"]["median"] for net, spread in row["nets"].items()}
            for row in read_json(docs / "benchmarks.json")["inference"]["times"]
            if (row["runtime"], row["batch"]) == ("ONNX Runtime", 1)
        }
        return cls(read_json(docs / "devices.json")["nets"], read_json(docs / "int8.json")["nets"], times)


def trained(record: Weight, bundle: Path, reports: Reports) -> dict[str, Any]:
    """Return the figures of a set of weights, as `data/nets.json` has them.

    Figures that no report knows are None.

    Args:
        record: the weights.
        bundle: their bundle.
        reports: the reports.
    """
    reference = f"{record.model}:{record.tag}"
    identifier = f"{record.model}-{record.tag}"
    device = reports.devices.get(reference)
    quantized = reports.int8.get(reference)
    links = chain(record.spec, record.preprocessing.size)
    return {
        "id": identifier,
        "reference": reference,
        "model": record.model,
        "tag": record.tag,
        "dataset": record.dataset,
        "labels": list(record.labels),
        "top1": record.metrics.get("top1"),
        "top5": record.metrics.get("top5"),
        "loss": record.metrics.get("loss"),
        "int8_top1": quantized["steps"][-1]["top1"] if quantized else None,
        "int8_agreement": quantized["steps"][-1]["agreement"] if quantized else None,
        "parameters": sum(link.parameters for link in links),
        "multiply_adds": sum(link.multiply_adds for link in links),
        "layers": record.spec.layers,
        "size": record.preprocessing.size,
        "channels": record.spec.in_channels,
        "preprocessing": record.preprocessing.to_dict(),
        "temperature": record.temperature,
        "graphs": {name: GRAPHS[name].path for name in FORMATS},
        "bytes": {name: (bundle / GRAPHS[name].path).stat().st_size for name in FORMATS},
        "device": device
        and {
            "board": BOARD,
            "memory": device["scratch"] + max(board["stack"] for board in device["boards"].values()),
            "flash": device["boards"][BOARD]["flash"],
            "instructions": device["boards"][BOARD]["instructions"],
            "tflm_arena": device["micro"]["arena"],
        },
        "bundle": f"bundles/{identifier}/",
        "page": f"nets/{identifier}/index.html",
        "licence": record.licence,
        "spec": record.spec.to_dict(),
    }


def untrained(name: str, spec: Spec, reports: Reports) -> dict[str, Any]:
    """Return the figures of a named net of which there are no weights of ours."""
    size = spec.stem.preprocessing.size
    links = chain(spec, size)
    known = BENCHMARKED.get(name)
    others = [record for (model, _), record in all_weights().items() if model == name and record.folder is None]
    return {
        "model": name,
        "depth": spec.depth,
        "width": spec.width,
        "version": spec.version,
        "family": spec.family,
        "size": size,
        "parameters": sum(link.parameters for link in links),
        "multiply_adds": sum(link.multiply_adds for link in links),
        "ms": {precision: reports.times[precision][known] for precision in ("fp32", "int8")} if known else None,
        "published_top1": others[0].metrics.get("top1") if others else None,
    }


def names_without_weights() -> dict[str, Spec]:
    """Return the named nets that were not trained here, in the registry's order."""
    ours = {model for (model, _), record in all_weights().items() if record.folder is not None}
    return {name: spec for name, spec in MODELS.items() if name not in ours}
