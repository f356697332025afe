"""Classifies many pictures: decodes ahead in threads, runs in batches, yields results in input order.

A picture that fails yields an error instead of ending the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export.runtime.ranking import Prediction, rank
from pixels import open_source


class Net(Protocol):
    """What `answer` needs of a net; see `export.runtime.Classifier` for what the members mean."""

    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def untrained(self) -> bool: ...
    @property
    def temperature(self) -> float: ...
    def preprocess(self, picture: Image.Image) -> NDArray[Any]: ...
    def logits(self, batch: NDArray[Any]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Answer:
    """The classes of one picture, most probable first, or the error that prevented an answer."""

    source: str | Path
    classes: tuple[Prediction, ...] = ()
    error: str | None = None


def answer(
    net: Net, sources: Iterable[str | Path], *, top: int = 5, batch_size: int = 16, readers: int = 1
) -> Iterator[Answer]:
    """Yield an answer for each picture, in order. Memory use does not depend on the number of pictures.

    Args:
        net: the net that classifies them.
        sources: where the pictures are; see `pixels.open_source`.
        top: number of classes per answer.
        batch_size: number of pictures that the net computes at a time.
        readers: threads that read pictures while the net computes; with 1, the caller's own thread reads them.
    """

    def read(source: str | Path) -> tuple[str | Path, NDArray[Any] | None, str | None]:
        try:
            return source, net.preprocess(open_source(source)), None
        except (ValueError, OSError, MemoryError) as error:
            # Errors from opening a picture name its file; errors from converting it do not.
            text = str(error) or type(error).__name__
            return source, None, text if str(source) in text else f"{source}: {text}"

    pictures = map(read, sources) if readers == 1 else _ahead(read, sources, readers, 2 * batch_size)
    while batch := list(islice(pictures, batch_size)):
        inputs = [pixels for _, pixels, _ in batch if pixels is not None]
        rows = iter(net.logits(np.stack(inputs)) if inputs else ())
        for source, pixels, error in batch:
            yield Answer(source, error=error) if pixels is None else _ranked(source, next(rows), net, top)


def _ranked(source: str | Path, logits: NDArray[np.float32], net: Net, top: int) -> Answer:
    try:
        return Answer(source, tuple(rank(logits, net.labels, top, net.temperature)))
    except FloatingPointError as error:
        return Answer(source, error=f"{source}: {error}")


def _ahead(read: Callable[[Any], Any], paths: Iterable[Any], readers: int, most: int) -> Iterator[Any]:
    """Map in threads and in order, running at most `most` items ahead of the consumer."""
    left = iter(paths)
    pool = ThreadPoolExecutor(readers)
    try:
        waiting = deque(pool.submit(read, path) for path in islice(left, most))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(read, path) for path in islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)
