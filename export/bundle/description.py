"""What a net says about itself: the contents of config.json, of the ONNX metadata, of the card, for transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from export.layout import FEATURES
from zoo import Checkpoint, Preprocessing, Weight
from zoo.weights.checkpoint import UNTRAINED

RECORD_KEYS = frozenset({"dataset", "metrics", "metrics_format", "licence", "recipe", "provenance", "repository"})
"""What is known of weights of the registry only."""


def describe(checkpoint: Checkpoint, record: Weight | None, features: Sequence[str] = ()) -> dict[str, Any]:
    """Return what config.json, the ONNX metadata and the card say about a net, as JSON can hold it.

    Args:
        checkpoint: the net.
        record: what the registry knows of its weights.
        features: names of the inner outputs that its graphs give.
    """
    labels = dict(enumerate(checkpoint.labels))
    described = checkpoint.describe()
    described.pop("labels")
    description = {
        "architectures": ["DiracNet"],
        "model_type": "diracnet",
        "name": checkpoint.spec.name,
        **described,
        "crop": "center",
        "resize_backend": "PIL",
        FEATURES: list(features),
        UNTRAINED: checkpoint.tag == UNTRAINED,
        "num_classes": checkpoint.spec.num_classes,
        "id2label": {str(index): label for index, label in labels.items()},
        "label2id": {label: index for index, label in labels.items()},
    }
    if record is not None:
        description |= {
            "dataset": record.dataset,
            "metrics": dict(record.metrics),
            "metrics_format": "fp32",  # whatever the form of the graph that says so
            "licence": record.licence,
            "provenance": dict(record.provenance),
            **({"recipe": dict(record.recipe)} if record.recipe else {}),
            **({"repository": record.repository} if record.repository else {}),
        }
    return description


def describe_preprocessing(preprocessing: Preprocessing) -> dict[str, Any]:
    """Return the contents of preprocessor_config.json.

    transformers and transformers.js know no class for DiracNets; ViTImageProcessor does what it is told here, which is
    what `Preprocessing` does: the shorter side is resized, the centre cropped.
    """
    size = preprocessing.size
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_convert_rgb": len(preprocessing.mean) == 3,
        "do_resize": True,
        "size": {"shortest_edge": preprocessing.resize},
        "resample": int(Image.Resampling[preprocessing.interpolation.upper()]),
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocessing.mean),
        "image_std": list(preprocessing.std),
    }
