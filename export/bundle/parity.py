"""Proof that the files of a bundle compute what their source computes. Everything is read back from the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.bundle.description import FEATURES
from export.bundle.reader import OpenBundle
from export.folding.fold import fold, layer_errors
from export.graphs.pictures import OPERATORS as PREPROCESSING_OPERATORS
from export.layout import FORMS, INPUT, OUTPUT, PICTURES
from export.proof.check import Check
from export.proof.graph import (
    Case,
    check_graph,
    check_range,
    floating,
    integral,
    relative_error,
)
from zoo import Checkpoint, Preprocessing, Spec

FOLD_FLOAT64 = 1e-10
FOLD_FLOAT32 = 1e-5
GOLDEN = 1e-4
"""Limits on the largest difference of the logits, relative to the largest logit; those of graphs are in FORMS."""
SEED = 0
BATCHES = (1, 3)


def verify(bundle: str | Path | OpenBundle) -> Iterator[Check]:
    """Yield the checks of a bundle's folded net, of its training form if it has one, and of all its graphs.

    Raises:
        FileNotFoundError, ValueError: a file that they need is missing or damaged.
    """
    if not isinstance(bundle, OpenBundle):
        bundle = OpenBundle(Path(bundle))
    net, spec, preprocessing = bundle.net, bundle.folded.spec, bundle.preprocessing
    if bundle.source is not None:
        yield from check_fold(bundle.source, bundle.folded)
    features = tuple(bundle.config[FEATURES])
    pixel_values, pictures = bundle.golden[INPUT], bundle.golden[PICTURES]
    golden = [bundle.golden[name].numpy() for name in (OUTPUT, *features)]
    exact = floating(net)
    error = relative_error(golden, exact.results(pixel_values, features))
    size = f"{len(pictures)}×{preprocessing.size}×{preprocessing.size}"
    yield Check(f"golden outputs / PyTorch, {size}", error, GOLDEN)
    for name in bundle.forms:
        form = FORMS[name]
        yield from check_range(name, form, net, pixel_values)
        arithmetic, source = (
            (integral(net, bundle.quantization), "whole numbers") if name == "int8" else (exact, "PyTorch")
        )
        for title, path, operators, cases, feed in (
            (name, form.path, (), _tensor_cases(spec, preprocessing.size), pixel_values),
            (f"{name}, pictures", form.pictures, PREPROCESSING_OPERATORS, _picture_cases(preprocessing), pictures),
        ):
            all_cases = [
                Case(text, batch, fed, arithmetic.results(batch, features), source) for text, batch, fed in cases
            ]
            all_cases.append(Case(size, pixel_values, feed.numpy(), golden, "golden outputs", form.golden))
            yield from check_graph(bundle.folder / path, title, form, operators, arithmetic, all_cases)


def check_fold(source: Checkpoint, folded: Checkpoint) -> Iterator[Check]:
    """Yield two checks against the training form: of the algorithm in float64, and of the folded file.

    On small pictures: whether weights are folded rightly shows at any size.
    """
    exact = source.model().double()
    batch = _random(source.spec, BATCHES[-1], _oblong(source.spec)).double()
    with torch.inference_mode():
        expected = exact(batch).numpy()
    for name, candidate, limit in (
        ("training form / folded, float64", fold(exact), FOLD_FLOAT64),
        ("training form in float64 / folded file", folded.model().double(), FOLD_FLOAT32),
    ):
        with torch.inference_mode():
            error = relative_error([expected], [candidate(batch).numpy()])
        worst = max(layer_errors(exact, candidate, batch), key=lambda layer: layer.error)
        yield Check(name, error, limit, f"worst layer {worst.layer}, {worst.error:.1e}")


def _tensor_cases(spec: Spec, size: int) -> Iterator[tuple[str, Tensor, NDArray[Any]]]:
    for height, width in ((size, size), _oblong(spec)):
        for count in BATCHES:
            batch = _random(spec, count, (height, width))
            yield f"{count}×{height}×{width}", batch, batch.numpy()


def _picture_cases(preprocessing: Preprocessing) -> Iterator[tuple[str, Tensor, NDArray[Any]]]:
    size, channels = preprocessing.size, len(preprocessing.mean)
    for count in BATCHES:
        drawn = np.random.default_rng([SEED, count]).integers(0, 256, (count, size, size, channels), np.uint8)
        yield f"{count}×{size}×{size}", preprocessing.normalize(torch.from_numpy(drawn).permute(0, 3, 1, 2)), drawn


def _oblong(spec: Spec) -> tuple[int, int]:
    """Return an odd height and another width, small and not what a net was made for."""
    return 2 * spec.min_size + 7, 3 * spec.min_size + 10


def _random(spec: Spec, count: int, size: tuple[int, int]) -> Tensor:
    generator = np.random.default_rng([SEED, count, *size])
    return torch.from_numpy(generator.standard_normal((count, spec.in_channels, *size), dtype=np.float32))
