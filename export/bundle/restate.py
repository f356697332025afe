"""Writing a bundle again with what its publisher says of it, from its own files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from export.bundle.claims import Claims
from export.bundle.reader import OpenBundle
from export.bundle.writer import export_bundle
from export.formats.table import FORMATS


def restate(
    folder: Path, claims: Claims, out: Path | None = None, *, on_stage: Callable[[str], None] = lambda stage: None
) -> Path:
    """Write a bundle again, in the same formats, with claims that become part of its card and its description.

    Args:
        folder: the bundle.
        claims: what is said of it.
        out: the folder to create; by default the bundle is replaced.
        on_stage: see `export_bundle`.

    Returns:
        The folder of the bundle that says so: the given one if it says all of it already.

    Raises:
        FileNotFoundError, ValueError: the bundle is damaged, or holds weights of the registry, which says that itself.
        VerificationError: a check failed; the bundle is left as it was.

    Example:
        `restate(Path("build/pets"), Claims(licence="MIT"))`
    """
    bundle = OpenBundle(folder)
    if (reference := bundle.config.get("reference")) is not None:
        raise ValueError(
            f"licence and data set of {reference} are in the registry; say them of weights of your own only"
        )
    source = bundle.source or bundle.folded.checkpoint
    said, _ = claims.of(source, None)
    if said.facts == source.facts:
        return folder
    quantized = any(FORMATS[name].needs_quantization for name in bundle.formats)
    export_bundle(
        said,
        out or folder,
        formats=bundle.formats,
        features=bundle.features,
        quantization=bundle.quantization if quantized else None,
        replace=out is None,
        on_stage=on_stage,
    )
    return out or folder
