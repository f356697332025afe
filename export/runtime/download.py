"""Downloads an ONNX file from `ORG/NAME` on the Hub to the local cache, for inference without PyTorch."""

from __future__ import annotations

from pathlib import Path

from export.layout import GRAPHS
from zoo.weights.reference import Hub


def fetch_graph(place: Hub, precision: str | None = None) -> Path:
    """Fetch one graph of a repository and return its path; no other file is downloaded.

    Args:
        place: the repository.
        precision: a key of `export.layout.GRAPHS`; "fp32" by default.

    Raises:
        FileNotFoundError, RuntimeError: the graph cannot be fetched.
        ValueError: the precision does not exist, or the downloaded file is damaged.
    """
    # Imported here, so that inference from local files needs no huggingface_hub. The module does not import PyTorch.
    from zoo.weights.hub import fetch

    if precision is not None and precision not in GRAPHS:
        raise ValueError(f"precision={precision!r}: allowed are {', '.join(GRAPHS)}")
    return fetch(place.repository, GRAPHS[precision or "fp32"].path, revision=place.revision)
