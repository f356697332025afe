"""From `ORG/NAME` on the Hub to an ONNX file in the local cache, for inference without PyTorch."""

from __future__ import annotations

from pathlib import Path

from export.layout import GRAPHS


def is_published(source: str | Path) -> bool:
    """Tell whether a source is `ORG/NAME` or `ORG/NAME@REVISION`, and no path on this machine."""
    path = Path(source)
    if path.exists() or path.suffix in (".onnx", ".safetensors"):
        return False
    # Here, so that inference from files needs no huggingface_hub. This module of the zoo imports no PyTorch.
    from zoo.weights.hub import parse_reference

    return parse_reference(str(source)) is not None


def fetch_graph(source: str, form: str | None = None) -> Path:
    """Return a graph of a repository; no other file is downloaded.

    Args:
        source: `ORG/NAME` or `ORG/NAME@REVISION`.
        form: a name of `export.layout.GRAPHS`; by default "fp32".

    Raises:
        FileNotFoundError, RuntimeError: it cannot be fetched.
        ValueError: there is no such form, or what was fetched is damaged.
    """
    from zoo.weights.hub import fetch, parse_reference

    if form is not None and form not in GRAPHS:
        raise ValueError(f"form={form!r}: allowed are {', '.join(GRAPHS)}")
    reference = parse_reference(source)
    if reference is None:
        raise ValueError(f"{source!r} names no repository: it must be ORG/NAME or ORG/NAME@REVISION")
    return fetch(reference[0], GRAPHS[form or "fp32"].path, revision=reference[1])
