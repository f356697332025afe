"""Inference without PyTorch: ONNX Runtime, numpy and Pillow, from a bundle or from a bare .onnx file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from export.layout import GRAPH, GRAPHS, METADATA_KEY, OUTPUT
from export.runtime.download import fetch_graph
from export.runtime.pictures import Pictures, pictures_in
from export.runtime.ranking import Prediction, rank
from export.runtime.sessions import CPU, Providers, check_threads, open_session, provider_names
from export.runtime.signature import Signature
from pixels import crop
from zoo.description import GRAPH as RULE
from zoo.description import check_fit, labels_in
from zoo.layout import CONFIG
from zoo.preprocessing import Preprocessing
from zoo.schema import parse_object, reading
from zoo.weights.reference import File, Folder, Hub, parse_reference


class Classifier:
    """A net in ONNX Runtime. The file's metadata say how to prepare pictures and what the classes are called.

    Graphs take either the normalized input, float32 (batch, channels, height, width), or the cropped pictures as they
    are, uint8 (batch, size, size, channels). Outputs other than the logits are ignored.

    Args:
        source: a bundle's folder, an .onnx file from one, or `ORG/NAME` or `ORG/NAME@REVISION` on the Hub.
        precision: which graph of a bundle to run, a key of `export.layout.GRAPHS`; "fp32" by default.
        threads: ONNX Runtime's threads within an operator; 0 lets it choose.
        providers: ONNX Runtime's execution providers, in order of preference: the name of one, or a list of names and
            of pairs (name, options).

    Raises:
        FileNotFoundError, RuntimeError: the folder or file does not exist, or it cannot be fetched.
        ValueError: the bundle has no graph of this precision, this ONNX Runtime lacks a provider, or the file is not an
            ONNX model or was not written by this package. `zoo.description` says what its metadata may hold.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        precision: str | None = None,
        threads: int = 0,
        providers: Providers = CPU,
    ) -> None:
        self._path = _graph(source, precision)
        self._session = _open(self._path, threads, providers)
        self._signature = Signature.of(self._session, self._path)
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise ValueError(
                f"{self._path} does not say how to prepare its pictures: its metadata lack {METADATA_KEY!r}"
            )
        with reading(f"the description inside {self._path}"):
            self.description: dict[str, Any] = parse_object(text)
            RULE.check(self.description)
            self._how = Preprocessing.from_dict(self.description["preprocessing"])
            labels = labels_in(self.description, self._signature.classes)
            check_fit(labels, self._how, channels=self._signature.channels, size=self._signature.size)
        if self._signature.takes_pixels != self.description.get("preprocessing_inside", False):
            raise ValueError(
                f"{self._path} contradicts itself on its preprocessing, which does not fit {self._signature.kind}"
            )

    def __repr__(self) -> str:
        classes = self._signature.classes or len(self.labels) or "some"
        shape = f"{len(self._how.mean)}×{self._how.size}×{self._how.size}"
        return f"<Classifier {self._path}: {shape} to {classes} classes, {', '.join(self._session.get_providers())}>"

    @property
    def labels(self) -> Mapping[str, str]:
        """Names of the classes, keyed by their index as a string; none if the classes have no names."""
        labels: dict[str, str] = self.description["id2label"]
        return labels

    @property
    def untrained(self) -> bool:
        """Whether the weights are initial values, in which case the answers mean nothing."""
        return bool(self.description["untrained"])

    @property
    def temperature(self) -> float:
        """What logits are divided by before they become probabilities; 1 where the file says nothing."""
        return float(self.description.get("temperature", 1))

    def preprocess(self, picture: Image.Image) -> NDArray[Any]:
        """Map a PIL picture to the net's input, float32 (channels, size, size) or uint8 (size, size, channels)."""
        how = self._how
        pixels = crop(
            picture, resize=how.resize, size=how.size, interpolation=how.interpolation, channels=len(how.mean)
        )
        if self._signature.takes_pixels:
            return pixels
        mean, std = (np.asarray(values, np.float32) for values in (how.mean, how.std))
        return np.ascontiguousarray(((pixels / np.float32(255) - mean) / std).transpose(2, 0, 1))

    def logits(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Map a batch of preprocessed pictures to logits (batch, classes).

        Raises:
            ValueError: the net does not take such a batch, or gives other logits than its description says.
        """
        parts = [batch] if self._signature.batch is None else self._signature.split(batch)
        try:
            results = [self._session.run([OUTPUT], {self._signature.input: part})[0] for part in parts]
        except Exception as error:  # onnxruntime's errors share no base class but Exception
            raise ValueError(f"ONNX Runtime cannot run {self._path}: {error}") from error
        result: NDArray[np.float32] = np.concatenate(results) if len(results) != 1 else results[0]
        classes = len(self.labels) or result.shape[-1]
        if result.shape != (len(batch), classes):
            raise ValueError(f"{self._path} gives logits {result.shape} for {len(batch)} pictures of {classes} classes")
        return result

    def predict(self, pictures: Pictures, top: int = 5) -> list[list[Prediction]]:
        """Return the `top` classes of each picture, most probable first.

        Args:
            pictures: a picture, or several: Pillow's, paths of files, or uint8 arrays (height, width) or (height,
                width, channels); see `export.runtime.pictures`.
            top: number of classes; all, if the net has fewer.

        Raises:
            TypeError, ValueError: it is no picture, or `top` is below 1.
            FileNotFoundError: no such file.
            FloatingPointError: the net computes numbers that are not finite.
        """
        inputs = [self.preprocess(picture) for picture in pictures_in(pictures)]
        rows = self.logits(np.stack(inputs)) if inputs else ()
        return [rank(row, self.labels, top, self.temperature) for row in rows]


def _graph(source: str | Path, precision: str | None) -> Path:
    """Return the .onnx file that the source stands for."""
    match parse_reference(source):
        case Hub() as place:
            return fetch_graph(place, precision)
        case Folder(folder):
            return _graph_of(folder, precision)
        case File(file) if file.suffix == ".safetensors":
            raise ValueError(f"{file} is a checkpoint, and only graphs are run here; `diracnet export` makes one of it")
        case File(file) if precision is not None:
            raise ValueError(f"precision={precision!r} chooses between the graphs of a bundle, and {file} is one file")
        case File(file):
            return file
    raise FileNotFoundError(
        f"{source} is not a bundle, .onnx file or repository ORG/NAME; nets of the registry become bundles by "
        "`diracnet export`"
    )


def _graph_of(bundle: Path, precision: str | None) -> Path:
    if not (bundle / GRAPH).is_file():
        hint = f"; `diracnet export {bundle} --out BUNDLE` makes a bundle of it" if (bundle / CONFIG).is_file() else ""
        raise FileNotFoundError(f"{bundle} is not a bundle: it has no {GRAPH}{hint}")
    there = {name: bundle / each.path for name, each in GRAPHS.items() if (bundle / each.path).is_file()}
    if precision is not None and precision not in there:
        raise ValueError(f"precision={precision!r}: {bundle} has {', '.join(there)}")
    return there[precision] if precision is not None else bundle / GRAPH


def _open(path: Path, threads: int, providers: Providers) -> onnxruntime.InferenceSession:
    names = provider_names(providers)
    check_threads(threads)
    try:
        session = open_session(path, threads, providers)
    except Exception as error:  # onnxruntime's errors share no base class but Exception
        raise ValueError(f"ONNX Runtime cannot load {path}: {error}") from error
    # ONNX Runtime drops a provider whose libraries are missing, with nothing but a warning.
    lacking = [name for name in names if name not in session.get_providers()]
    if lacking:
        raise ValueError(f"providers: {', '.join(lacking)}: does not work on this machine; {CPU} does")
    return session
