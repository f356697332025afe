"""Proof that the files of a bundle compute what their source computes. Everything is read back from disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from export.bundle.reader import OpenBundle
from export.formats.table import FORMATS
from export.layout import INPUT, OUTPUT
from export.proof.check import Check
from export.proof.error import relative_error
from export.proof.fold import check_fold
from export.proof.graph import floating

GOLDEN = 1e-4
"""Limit on the difference between PyTorch's logits and the golden ones, relative to the largest."""


def compare(bundle: str | Path | OpenBundle) -> Iterator[Check]:
    """Yield the checks of a bundle's folded net, of its training form if it has one, and of its files in each format.

    Raises:
        FileNotFoundError, ValueError: a file that the checks need is missing or damaged.
    """
    if not isinstance(bundle, OpenBundle):
        bundle = OpenBundle(Path(bundle))
    if bundle.source is not None:
        yield from check_fold(bundle.source, bundle.folded)
    golden = [bundle.golden[name].numpy() for name in (OUTPUT, *bundle.features)]
    batch = bundle.golden[INPUT]
    error = relative_error(golden, floating(bundle.folded.net).results(batch, bundle.features))
    yield Check("golden outputs / PyTorch", error, GOLDEN, inputs="×".join(map(str, (len(batch), *batch.shape[2:]))))
    for name in bundle.formats:
        yield from FORMATS[name].check(bundle)
