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
from pixels import open_picture


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

    path: Path
    classes: tuple[Prediction, ...] = ()
    error: str | None = None


def answer(
    net: Net, paths: Iterable[Path], *, top: int = 5, batch_size: int = 16, readers: int = 1
) -> Iterator[Answer]:
    """Yield an answer for each picture, in order. Memory use does not depend on the number of pictures.

    Args:
        net: the net that classifies them.
        paths: the pictures' files.
        top: number of classes per answer.
        batch_size: number of pictures that the net computes at a time.
        readers: threads that read pictures while the net computes; with 1, the caller's own thread reads them.
    """

    def read(path: Path) -> tuple[Path, NDArray[Any] | None, str | None]:
        try:
            return path, net.preprocess(open_picture(path)), None
        except (ValueError, OSError, MemoryError) as error:
            # Errors from opening a picture name its file; errors from converting it do not.
            text = str(error) or type(error).__name__
            return path, None, text if str(path) in text else f"{path}: {text}"

    pictures = map(read, paths) if readers == 1 else _ahead(read, paths, readers, 2 * batch_size)
    while batch := list(islice(pictures, batch_size)):
        inputs = [pixels for _, pixels, _ in batch if pixels is not None]
        rows = iter(net.logits(np.stack(inputs)) if inputs else ())
        for path, pixels, error in batch:
            yield (
                Answer(path, error=error)
                if pixels is None
                else Answer(path, tuple(rank(next(rows), net.labels, top, net.temperature)))
            )


def _ahead(read: Callable[[Path], Any], paths: Iterable[Path], readers: int, most: int) -> Iterator[Any]:
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
