"""The front matter of a card: YAML by which the Hub lists, filters and ranks models.

Written with JSON's syntax for values, which YAML shares, rather than with a YAML library: the card's bytes are checked
when a bundle is verified and must not depend on the version of a library. The Hub refuses cards that have anything but
repositories' names in `base_model` and `datasets`, or a licence that it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.cards.licences import OTHER, hub_licence
from zoo.cards.names import repository_name
from zoo.cards.wording import OWN_PICTURES
from zoo.datasets import find_dataset

METRICS = {"top1": ("accuracy", "top-1 accuracy, %"), "top5": ("top_5_accuracy", "top-5 accuracy, %")}
"""Figure → type and name of the Hub's metric."""
TAGS = ("diracnet", "image-classification", "safetensors")
_FOLDER = "imagefolder"
"""What the Hub calls a data set that is nothing but somebody's folder of pictures."""


def front_matter(description: Mapping[str, Any], tags: Sequence[str] = TAGS) -> list[str]:
    """Return the lines of the front matter; results only if the description has measured figures."""
    licence = hub_licence(description.get("licence"))
    lines = [f"license: {licence}"]
    if licence == OTHER and description["licence"] != OTHER:
        lines.append(f"license_name: {_slug(description['licence']) or OTHER}")
    lines += ["library_name: diracnet-zoo", "pipeline_tag: image-classification", f"tags: [{', '.join(tags)}]"]
    if base := repository_name(description.get("base_model") or ""):
        lines += [f"base_model: {_value(base)}", "base_model_relation: finetune"]
    dataset = description.get("dataset")
    if dataset is not None and (hub_id := _hub_id(dataset)) is not None:
        lines.append(f"datasets: [{_value(hub_id)}]")
    return [*lines, *_model_index(description, dataset)]


def _model_index(description: Mapping[str, Any], dataset: str | None) -> list[str]:
    figures = {key: value for key, value in sorted(description.get("metrics", {}).items()) if key in METRICS}
    metrics = [
        {"type": METRICS[key][0], "value": round(value, 4), "name": METRICS[key][1]} for key, value in figures.items()
    ]
    if not metrics:
        return []
    held_out = "held-out" in description.get("provenance", {}).get("measured", "")
    where = {
        "type": _FOLDER if dataset is None else _hub_id(dataset) or find_dataset(dataset).key or _FOLDER,
        "name": dataset or OWN_PICTURES,
        "split": "train" if held_out else find_dataset(dataset or OWN_PICTURES).test_split,
    }
    return [
        "model-index:",
        f"- name: {_value(description['name'] + ':' + description['weights'])}",
        "  results:",
        '  - task: {"type": "image-classification", "name": "Image Classification"}',
        f"    dataset: {_value(where)}",
        "    metrics:",
        *(f"    - {_value(metric)}" for metric in metrics),
    ]


def _hub_id(dataset: str) -> str | None:
    return find_dataset(dataset).hub_id or repository_name(dataset)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
