"""What is said about a net, wherever it is said: in ONNX graphs, config.json, checkpoint files and manifests.

One table of rules for each, and the rules between a description and its net. Both runtimes apply them; PyTorch is not
imported, because one of them does without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from zoo.labels import by_index
from zoo.layout import FORMS
from zoo.preprocessing import RULE as PREPROCESSING
from zoo.preprocessing import TEMPERATURES, Preprocessing
from zoo.schema import (
    DescriptionError,
    Each,
    Fields,
    Rule,
    Value,
    flag,
    line,
    matching,
    number,
    one_of,
    optional,
    text,
    texts,
    whole,
)

SPEC = Fields(
    {
        "depth": whole(1, 10_000),
        **optional(
            {
                "width": number(1e-3, 1e6),
                "family": text(100),
                "version": whole(1, 100),
                "in_channels": whole(1, 1 << 12),
                "num_classes": whole(1, 1 << 20),
                "final_relu": flag(),
            }
        ),
    }
)
"""The fields of `zoo.Spec`, which itself knows more about them together."""
RECIPE = Each(
    Value(
        "a text, a number, a flag or a list of them",
        lambda value: (
            value is None
            or isinstance(value, str | int | float)
            or (isinstance(value, list) and all(isinstance(each, str | int | float) for each in value))
        ),
    ),
    dict,
)
"""How a net was trained: fields of `zoo.training.recipes.Recipe`, of this version or another."""
PROVENANCE = Fields(
    optional(
        {
            **{key: text() for key in ("measured", "source", "resize_backend", "base")},
            "command": text(4000),
            "seed": whole(0, 1 << 63),
            "cpu_hours": number(0, 1e9),
            "environment": Each(text(), dict),
            "pictures": Fields({"train": whole(0, 1 << 40), "test": whole(0, 1 << 40)}),
            "teacher": Fields({"name": text(), **optional({"digest": text()})}, others=True),
            "beside_teacher": Fields({"top1": number(0, 100), "agreement": number(0, 100)}, others=True),
            "init": Fields(optional({"weights": text(), "digest": text(), "name": text()}), others=True),
            "published": Each(
                Fields(
                    {"source": text(), "metrics": Each(number(-1e9, 1e9), dict), "resize_backend": text()}, others=True
                ),
                list,
            ),
        }
    ),
    others=True,
)
"""Where weights and their figures come from: what cards repeat of it has a rule."""
_BY_INDEX = Value("an object from indices to labels", lambda value: isinstance(value, dict))
_RECORD: Mapping[str, Rule] = {
    "dataset": text(),
    "metrics": Each(number(-1e9, 1e9), dict),
    "licence": text(),
    "recipe": RECIPE,
    "provenance": PROVENANCE,
    "repository": text(),
}
"""What the registry knows about weights."""
_TEMPERATURE: Mapping[str, Rule] = {"temperature": number(*TEMPERATURES)}
_NET: Mapping[str, Rule] = {
    "preprocessing": PREPROCESSING,
    "id2label": _BY_INDEX,
    "untrained": flag(),
    "name": text(),
    "weights": text(),
    "features": texts(),
    "num_classes": whole(1, 1 << 20),
}

GRAPH = Fields(
    {
        **optional({**_NET, **_RECORD, **_TEMPERATURE, "preprocessing_inside": flag()}),
        **{key: _NET[key] for key in ("preprocessing", "id2label", "untrained")},
    },
    others=True,
)
"""The metadata of an ONNX graph."""
_UNKNOWN = optional({"preprocessing": PREPROCESSING}, null=True)
"""Null where nothing is known."""

CONFIG = Fields(
    {"form": one_of(*FORMS), "spec": SPEC, **optional({**_NET, **_RECORD, **_TEMPERATURE}), **_UNKNOWN}, others=True
)
"""config.json of a repository or of a folder that `DiracNet.save_pretrained` wrote."""
BUNDLE = Fields({**CONFIG.rules, **_NET}, others=True)
"""config.json of a bundle."""
CHECKPOINT = Fields(
    {
        "form": one_of(*FORMS),
        "spec": SPEC,
        "weights": text(),
        "labels": Each(text(), list),
        **optional({"preprocessing": PREPROCESSING}, null=True),
    },
    others=True,
)
"""The metadata of a checkpoint file."""


def _is_below(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not PurePosixPath(value).is_absolute() and ".." not in value


_FILE = Fields(
    {
        "path": Value("a path below the manifest's folder", _is_below),
        "sha256": text(64),
        **optional({"size": whole(0, 1 << 50)}, null=True),
    }
)
_PERCENT = number(0, 100)
_PRECISION = Fields(
    {
        "calibration_error": _PERCENT,
        "calibration_error_with_temperature": _PERCENT,
        "corrupted_top1": _PERCENT,
        "uncorrupted_top1": _PERCENT,
    }
)
_FIGURES = Fields(
    {
        "test_pictures": whole(1, 1 << 40),
        "corrupted_pictures": whole(1, 1 << 40),
        "fp32": _PRECISION,
        "int8": _PRECISION,
    },
    required=False,
)
"""What the zoo's card says of a net beyond its metrics; `benchmarks/figures/manifests.py` writes it."""
MANIFEST = Fields(
    {
        "model": text(),
        "tag": text(),
        "spec": SPEC,
        "labels": Each(text(), list),
        "preprocessing": PREPROCESSING,
        "files": Each(_FILE, dict),
        **_RECORD,
        **optional({"repository": text(), "revision": text(), **_TEMPERATURE}),
        "figures": _FIGURES,
    }
)
"""manifest.json of shipped weights."""
_NAME = r"[A-Za-z0-9][\w.-]{0,99}"
MODEL = matching(rf"{_NAME}(:{_NAME}|/{_NAME}(@[\w./-]{{1,100}})?)?", "NAME, NAME:TAG or ORG/NAME, never a path")
"""A model's name for others."""
_PARAMETERS: Mapping[str, Rule] = {
    "command": line(1 << 20),
    "form": one_of(*FORMS),
    "formats": Each(matching(_NAME, "a format's name"), list),
    "features": Each(matching(_NAME, "a layer's name"), list),
    **optional(
        {
            "model": MODEL,
            "quantization": one_of("registry", "noise", "given"),
            "net": CHECKPOINT,
            **{key: _RECORD[key] for key in ("metrics", "provenance", "repository")},
        }
    ),
}
_INPUT = Fields(
    {
        "name": line(),
        **optional(
            {
                "uri": line(),
                "digest": Each(matching(r"[0-9a-f]{40}|[0-9a-f]{64}", "a digest in hexadecimal"), dict),
                "annotations": Each(flag(), dict),
            }
        ),
    }
)
BUILD = Fields(
    {
        "buildDefinition": Fields(
            {
                "buildType": line(),
                "externalParameters": Fields(_PARAMETERS),
                "resolvedDependencies": Each(_INPUT, list),
            }
        ),
        "runDetails": Fields({"builder": Fields({"id": line(), "version": Each(line(), dict)})}),
    }
)
"""How a bundle was made, in the words of SLSA's provenance: `provenance` in its report.json. It is never executed."""
_REMARK = Value("a text", lambda value: isinstance(value, str))
REPORT = Fields(
    {
        "name": text(),
        "weights": text(),
        "checks": Each(
            Fields(
                {
                    "name": text(),
                    "figure": number(-1e300, 1e300),
                    "limit": number(-1e300, 1e300),
                    "note": _REMARK,
                    **optional({"inputs": _REMARK}),
                },
                others=True,
            ),
            list,
        ),
        **optional({"provenance": BUILD}),
    },
    others=True,
)
"""report.json of a bundle."""


def check_fit(
    labels: Sequence[str],
    preprocessing: Preprocessing | None,
    *,
    channels: int | None = None,
    classes: int | None = None,
    least: int = 1,
    size: int | None = None,
) -> None:
    """Raise DescriptionError unless a description fits its net.

    Args:
        labels: name of each class; none if unknown.
        preprocessing: how pictures become the net's input; None if unknown.
        channels: channels that the net takes, if known.
        classes: number of the net's logits, if known.
        least: the smallest height and width that the net takes, in pixels.
        size: the only height and width that it takes, if there is only one.
    """
    if labels and classes not in (None, len(labels)):
        raise DescriptionError(f"{len(labels)} labels were given for {classes} classes")
    if preprocessing is None:
        return
    if channels not in (None, len(preprocessing.mean)):
        raise DescriptionError(f"pictures get {len(preprocessing.mean)} channels, the net takes {channels}")
    if preprocessing.size < least or size not in (None, preprocessing.size):
        takes = f"pixels of {least}×{least} or more" if size is None else f"{size}×{size} pixels"
        raise DescriptionError(f"size={preprocessing.size}: the net takes {takes}")


def labels_in(config: Mapping[str, Any], classes: int | None) -> tuple[str, ...]:
    """Return the labels that a config.json or a graph's description names; none if it names none.

    Raises:
        DescriptionError: they are not as `by_index` and `check_fit` want them.
    """
    if config.get("num_classes") is not None and classes not in (None, config["num_classes"]):
        raise DescriptionError(f"num_classes={config['num_classes']}: the net has {classes} classes")
    labels = by_index(config.get("id2label") or {})
    check_fit(labels, None, classes=classes)
    return labels
