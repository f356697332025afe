"""What is in many pictures: read ahead in threads, computed in batches, answered in order, a bad one for itself."""

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
    """What answers are asked of; see `export.runtime.Classifier` for the meaning."""

    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def untrained(self) -> bool: ...
    def preprocess(self, picture: Image.Image) -> NDArray[Any]: ...
    def logits(self, batch: NDArray[Any]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Answer:
    """The classes of one picture, most probable first, or the reason why there are none."""

    path: Path
    classes: tuple[Prediction, ...] = ()
    error: str | None = None


def answer(
    net: Net, paths: Iterable[Path], *, top: int = 5, batch_size: int = 16, readers: int = 1
) -> Iterator[Answer]:
    """Yield an answer for each picture, in order. The memory needed does not depend on their number.

    Args:
        net: what to ask.
        paths: the pictures' files.
        top: how many classes to name.
        batch_size: pictures that the net computes at a time.
        readers: threads that read pictures while the net computes; 1 for none beside the caller's.
    """

    def read(path: Path) -> tuple[Path, NDArray[Any] | None, str | None]:
        try:
            return path, net.preprocess(open_picture(path)), None
        except (ValueError, OSError, MemoryError) as error:
            # The errors of opening name the file, those of converting speak of the picture.
            text = str(error) or type(error).__name__
            return path, None, text if str(path) in text else f"{path}: {text}"

    pictures = map(read, paths) if readers == 1 else _ahead(read, paths, readers, 2 * batch_size)
    while batch := list(islice(pictures, batch_size)):
        inputs = [pixels for _, pixels, _ in batch if pixels is not None]
        rows = iter(net.logits(np.stack(inputs)) if inputs else ())
        for path, pixels, error in batch:
            yield (
                Answer(path, error=error) if pixels is None else Answer(path, tuple(rank(next(rows), net.labels, top)))
            )


def _ahead(read: Callable[[Path], Any], paths: Iterable[Path], readers: int, most: int) -> Iterator[Any]:
    """Map in threads, in order, at most so many items ahead of who takes them."""
    left = iter(paths)
    pool = ThreadPoolExecutor(readers)
    try:
        waiting = deque(pool.submit(read, path) for path in islice(left, most))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(read, path) for path in islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)
