"""The front matter of a card: YAML by which the Hub lists, filters and ranks models.

Written with JSON's syntax for values, which YAML shares, rather than with a YAML library: the card's bytes are checked
when a bundle is verified and must not depend on the version of a library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zoo.datasets import find_dataset

METRICS = {"top1": ("accuracy", "top-1 accuracy, %"), "top5": ("top_5_accuracy", "top-5 accuracy, %")}
"""Figure → type and name of the Hub's metric."""


def front_matter(description: Mapping[str, Any]) -> list[str]:
    """Return the lines of the front matter; results only if the description has measured figures."""
    licence = description.get("licence")
    lines = [f"license: {'apache-2.0' if licence == 'Apache-2.0' else 'other'}"]
    if licence not in (None, "Apache-2.0"):
        lines.append(f"license_name: {_value(licence)}")
    lines += [
        "library_name: diracnet-zoo",
        "pipeline_tag: image-classification",
        "tags: [diracnet, image-classification, onnx, safetensors, transformers.js]",
    ]
    if (dataset := description.get("dataset")) is not None:
        if (hub_id := find_dataset(dataset).hub_id) is not None:
            lines.append(f"datasets: [{_value(hub_id)}]")
        lines += _model_index(description, dataset)
    return lines


def _model_index(description: Mapping[str, Any], dataset: str) -> list[str]:
    known = find_dataset(dataset)
    where = {"type": known.hub_id or known.key, "name": dataset, "split": "test"}
    figures = {key: value for key, value in sorted(description["metrics"].items()) if key in METRICS}
    metrics = [
        {"type": METRICS[key][0], "value": round(value, 4), "name": METRICS[key][1]} for key, value in figures.items()
    ]
    if not metrics:
        return []
    return [
        "model-index:",
        f"- name: {_value(description['name'] + ':' + description['weights'])}",
        "  results:",
        '  - task: {"type": "image-classification", "name": "Image Classification"}',
        f"    dataset: {_value(where)}",
        "    metrics:",
        *(f"    - {_value(metric)}" for metric in metrics),
    ]


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
