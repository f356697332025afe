"""What a net says about itself: the contents of config.json, of the ONNX metadata, and of the card."""

from __future__ import annotations

from typing import Any

from zoo import Checkpoint, Weight
from zoo.checkpoint import UNTRAINED

RECORD_KEYS = frozenset({"dataset", "metrics", "licence", "provenance"})
"""What is known of weights of the registry only."""


def describe(checkpoint: Checkpoint, record: Weight | None) -> dict[str, Any]:
    """Return what config.json, the ONNX metadata and the card say about a net, as JSON can hold it."""
    labels = dict(enumerate(checkpoint.labels))
    described = checkpoint.describe()
    described.pop("labels")
    description = {
        "architectures": ["DiracNet"],
        "model_type": "diracnet",
        "name": checkpoint.spec.name,
        **described,
        UNTRAINED: checkpoint.weights == UNTRAINED,
        "num_classes": checkpoint.spec.num_classes,
        "id2label": {str(index): label for index, label in labels.items()},
        "label2id": {label: index for index, label in labels.items()},
    }
    if record is not None:
        description |= {
            "dataset": record.dataset,
            "metrics": dict(record.metrics),
            "licence": record.licence,
            "provenance": dict(record.provenance),
        }
    return description
