"""From `ORG/NAME` on the Hub to an ONNX file in the local cache, for inference without PyTorch."""

from __future__ import annotations

from pathlib import Path

from export.layout import GRAPHS
from zoo.weights.reference import Hub


def fetch_graph(place: Hub, precision: str | None = None) -> Path:
    """Return a graph of a repository; no other file is downloaded.

    Args:
        place: the repository.
        precision: a name of `export.layout.GRAPHS`; by default "fp32".

    Raises:
        FileNotFoundError, RuntimeError: it cannot be fetched.
        ValueError: there is no such precision, or what was fetched is damaged.
    """
    # Here, so that inference from files needs no huggingface_hub. This module of the zoo imports no PyTorch.
    from zoo.weights.hub import fetch

    if precision is not None and precision not in GRAPHS:
        raise ValueError(f"precision={precision!r}: allowed are {', '.join(GRAPHS)}")
    return fetch(place.repository, GRAPHS[precision or "fp32"].path, revision=place.revision)
