"""A net's ONNX graphs: emitted once in float32, and from that graph all other forms by transformations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, cast

import onnx
from torch import nn

from export.half import to_half
from export.layout import FOLDED, FORMS, INPUT, PICTURES
from export.onnx_graph import emit, with_metadata
from export.pictures import take_pictures
from zoo import Checkpoint

ALL = "all"
TRANSFORMATIONS: Mapping[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "fp32": lambda model: model,
    "fp16": to_half,
}
"""For each form of `export.layout.FORMS` what makes it from the float32 graph; each returns a new graph."""


def choose_forms(names: Collection[str]) -> tuple[str, ...]:
    """Return the forms that these names ask for, in the order of the table; "all" asks for all.

    float32 is always among them, because the others are measured against it.

    Raises:
        ValueError: there is no such form.
    """
    unknown = sorted(set(names) - {*FORMS, ALL})
    if unknown:
        raise ValueError(f"formats: {unknown[0]!r} is none; allowed are {', '.join((*FORMS, ALL))}")
    return tuple(name for name in FORMS if name in names or ALL in names or name == "fp32")


def graphs(
    folded: Checkpoint, digest: str, description: Mapping[str, Any], forms: Collection[str]
) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield path and graph of a folded net in these forms, each for tensors and for raw pictures.

    Args:
        folded: the net.
        digest: the sha256 of its file.
        description: what `export.description.describe` says of it.
        forms: names of forms.
    """
    if folded.preprocessing is None:
        raise ValueError("the net does not say how pictures become its input")
    plain = emit(cast(nn.Sequential, folded.model()), features=description["features"])
    for name in forms:
        model = TRANSFORMATIONS[name](plain)
        yield FORMS[name].path, with_metadata(model, _metadata(name, False, digest, description))
        yield (
            FORMS[name].pictures,
            with_metadata(take_pictures(model, folded.preprocessing), _metadata(name, True, digest, description)),
        )


def _metadata(form: str, pictures: bool, digest: str, description: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a graph says about itself: the net's description, and what is the graph's own."""
    return {
        **description,
        "format": form,
        "source": {"file": FOLDED, "sha256": digest},
        "preprocessing_inside": pictures,
        "input": {
            "name": PICTURES if pictures else INPUT,
            "type": "uint8" if pictures else "float32",
            "layout": "NHWC" if pictures else "NCHW",
        },
    }
