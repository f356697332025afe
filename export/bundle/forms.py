"""A net's ONNX graphs: emitted once in float32, and from that graph all other forms by transformations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, cast

import onnx
from torch import nn

from export.graphs.emit import emit, with_metadata
from export.graphs.half import to_half
from export.graphs.pictures import take_pictures
from export.int8.graph import quantize
from export.int8.record import Quantization
from export.layout import FOLDED, FORMS, INPUT, PICTURES, QUANTIZATION
from zoo import Checkpoint

ALL = "all"
TRANSFORMATIONS: Mapping[str, Callable[[onnx.ModelProto, Quantization | None], onnx.ModelProto]] = {
    "fp32": lambda model, quantization: model,
    "fp16": lambda model, quantization: to_half(model),
    "int8": lambda model, quantization: _to_integers(model, quantization),
}
"""For each form of `export.layout.FORMS` what makes it from the float32 graph; each returns a new graph.

That of int8 needs the record of the net's quantization, which the others leave alone.
"""


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


def _to_integers(model: onnx.ModelProto, quantization: Quantization | None) -> onnx.ModelProto:
    if quantization is None:
        raise ValueError(f"the int8 form follows from {FOLDED} and {QUANTIZATION}, and the second is missing")
    return quantize(model, quantization)


def graphs(
    folded: Checkpoint,
    digest: str,
    description: Mapping[str, Any],
    forms: Collection[str],
    quantization: Quantization | None = None,
) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield path and graph of a folded net in these forms, each for tensors and for raw pictures.

    Args:
        folded: the net.
        digest: the sha256 of its file.
        description: what `export.bundle.description.describe` says of it.
        forms: names of forms.
        quantization: the record that the int8 form needs.
    """
    preprocessing = folded.known_preprocessing()
    plain = emit(cast(nn.Sequential, folded.model()), features=description["features"])
    for name in forms:
        model = TRANSFORMATIONS[name](plain, quantization)
        about = {"calibration": quantization.calibration} if quantization and name == "int8" else {}
        for path, pictures in ((FORMS[name].path, False), (FORMS[name].pictures, True)):
            graph = take_pictures(model, preprocessing) if pictures else model
            yield path, with_metadata(graph, {**_metadata(name, pictures, digest, description), **about})


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
