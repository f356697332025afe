"""From `ORG/NAME` to an ONNX file in the local cache, for inference without PyTorch."""

from __future__ import annotations

from pathlib import Path

from export.layout import GRAPH


def located(source: str | Path, graph: str = GRAPH) -> Path:
    """Return the local path that a source means: its own, or that of a repository's graph, fetched where need be.

    Args:
        source: a path; or `ORG/NAME` or `ORG/NAME@REVISION` on the Hub, where nothing on this machine has that path.
        graph: which of a repository's files; only this one is downloaded.

    Raises:
        FileNotFoundError, RuntimeError: the graph cannot be fetched.
        ValueError: what was fetched is damaged.
    """
    path = Path(source)
    if path.exists() or path.suffix == ".onnx":
        return path
    # Here, so that inference from files needs no huggingface_hub. This module of the zoo imports no PyTorch.
    from zoo.repository import fetch, parse_reference

    reference = parse_reference(str(source))
    return fetch(reference[0], graph, revision=reference[1]) if reference else path
