"""The description of a net, for config.json, the ONNX metadata and the card, and its preprocessing for transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from export.layout import FEATURES, MODEL_TYPE
from zoo import Checkpoint, Preprocessing, Weight
from zoo.weights.checkpoint import UNTRAINED

RECORD_KEYS = frozenset(
    {
        *("dataset", "metrics", "metrics_format", "licence", "recipe", "provenance", "base_model", "temperature"),
        *("reference", "repository"),
    }
)
"""Keys that only weights have of which more is known than the net: by the registry, or by their own file."""


def describe(checkpoint: Checkpoint, record: Weight | None, features: Sequence[str] = ()) -> dict[str, Any]:
    """Return what config.json, the ONNX metadata and the card say about a net, as JSON-compatible values.

    Args:
        checkpoint: the net.
        record: the registry's record of its weights, if they are from the registry.
        features: names of the inner outputs that its graphs give in addition to the logits.
    """
    labels = dict(enumerate(checkpoint.labels))
    described = checkpoint.describe()
    described.pop("labels")
    described.pop("facts", None)
    description = {
        "architectures": ["DiracNet"],
        "model_type": MODEL_TYPE,
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
    return {**description, **(checkpoint.facts.describe() if record is None else _registered(record))}


def _registered(record: Weight) -> dict[str, Any]:
    """Return what the registry knows of weights."""
    return {
        "dataset": record.dataset,
        "metrics": dict(record.metrics),
        "metrics_format": "fp32",  # even in the metadata of an fp16 or int8 graph
        "licence": record.licence,
        "provenance": dict(record.provenance),
        "reference": f"{record.model}:{record.tag}",
        **({"base_model": record.provenance["base"]} if record.provenance.get("base") else {}),
        **({"recipe": dict(record.recipe)} if record.recipe else {}),
        **({"temperature": record.temperature} if record.temperature != 1 else {}),
        **({"repository": record.repository} if record.repository else {}),
    }


def describe_preprocessing(preprocessing: Preprocessing) -> dict[str, Any]:
    """Return the contents of preprocessor_config.json.

    transformers and transformers.js have no class for DiracNets. With these settings their ViTImageProcessor does the
    same as `Preprocessing`: it resizes the shorter side and crops the centre.
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
