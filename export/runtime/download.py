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
    if precision is not None and precision not in GRAPHS:
        raise ValueError(f"precision={precision!r}: allowed are {', '.join(GRAPHS)}")
    try:
        # Imported here, so that inference from local files needs no huggingface_hub. It does not import PyTorch.
        from zoo.weights.hub import MissingFileError, fetch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{place.repository} is on the Hub, and fetching from it needs {error.name}: pip install {error.name}",
            name=error.name,
        ) from None
    try:
        return fetch(place.repository, GRAPHS[precision or "fp32"].path, revision=place.revision)
    except MissingFileError as error:
        raise MissingFileError(
            f"{error}; if it holds a net for PyTorch alone, `diracnet export {place.repository} --out BUNDLE` makes a "
            "bundle of that, which can be run"
        ) from None
