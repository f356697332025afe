"""Inference without PyTorch: ONNX Runtime, numpy and Pillow, from a bundle or from a bare .onnx file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from export.layout import GRAPH, GRAPHS, METADATA_KEY, OUTPUT
from export.runtime.download import fetch_graph
from export.runtime.ranking import Prediction, rank
from export.runtime.sessions import CPU, open_session
from pixels import crop
from zoo.preprocessing import check_temperature
from zoo.weights.reference import File, Folder, Hub, parse_reference

_NEEDED = {"preprocessing", "id2label", "untrained"}


class Classifier:
    """A net in ONNX Runtime. The file's metadata say how to prepare pictures and what the classes are called.

    Graphs take either the normalized input, float32 (batch, channels, height, width), or the cropped pictures as they
    are, uint8 (batch, size, size, channels). Outputs other than the logits are ignored.

    Args:
        source: a bundle's folder, an .onnx file from one, or `ORG/NAME` or `ORG/NAME@REVISION` on the Hub.
        precision: which graph of a bundle to run, a key of `export.layout.GRAPHS`; "fp32" by default.
        threads: ONNX Runtime's threads within an operator; 0 lets it choose.
        providers: ONNX Runtime's execution providers, in order of preference.

    Raises:
        FileNotFoundError, RuntimeError: the folder or file does not exist, or it cannot be fetched.
        ValueError: the bundle has no graph of this precision, this ONNX Runtime lacks a provider, or the file is not an
            ONNX model or was not written by this package.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        precision: str | None = None,
        threads: int = 0,
        providers: Sequence[str] = (CPU,),
    ) -> None:
        path = _graph(source, precision)
        self._session = _open(path, threads, providers)
        inputs = self._session.get_inputs()
        self._input = inputs[0].name
        self._takes_pixels = inputs[0].type == "tensor(uint8)"
        self.description = _description(path, self._session.get_modelmeta().custom_metadata_map)
        if len(inputs) != 1 or OUTPUT not in {output.name for output in self._session.get_outputs()}:
            raise ValueError(f"{path} is not a classifier: it needs one input, and an output named {OUTPUT!r}")
        if self._takes_pixels != self.description.get("preprocessing_inside", False):
            raise ValueError(f"{path} contradicts itself on its preprocessing, which does not fit {inputs[0].type}")

    @property
    def labels(self) -> Mapping[str, str]:
        """Names of the classes, keyed by their index as a string; classes without a name are left out."""
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
        how = self.description["preprocessing"]
        pixels = crop(
            picture,
            resize=how["resize"],
            size=how["size"],
            interpolation=how["interpolation"],
            channels=len(how["mean"]),
        )
        if self._takes_pixels:
            return pixels
        mean, std = (np.asarray(how[key], np.float32) for key in ("mean", "std"))
        return np.ascontiguousarray(((pixels / np.float32(255) - mean) / std).transpose(2, 0, 1))

    def logits(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Map a batch of preprocessed pictures to logits (batch, classes)."""
        result: NDArray[np.float32] = self._session.run([OUTPUT], {self._input: batch})[0]
        return result

    def predict(self, pictures: Sequence[Image.Image], top: int = 5) -> list[list[Prediction]]:
        """Return the `top` classes of each picture, most probable first."""
        batch = np.stack([self.preprocess(picture) for picture in pictures])
        return [rank(row, self.labels, top, self.temperature) for row in self.logits(batch)]


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
        raise FileNotFoundError(f"{bundle} is not a bundle: it has no {GRAPH}")
    there = {name: bundle / each.path for name, each in GRAPHS.items() if (bundle / each.path).is_file()}
    if precision is not None and precision not in there:
        raise ValueError(f"precision={precision!r}: {bundle} has {', '.join(there)}")
    return there[precision] if precision is not None else bundle / GRAPH


def _open(path: Path, threads: int, providers: Sequence[str]) -> onnxruntime.InferenceSession:
    available = onnxruntime.get_available_providers()
    unknown = [name for name in providers if name not in available]
    if unknown or not providers:
        named = ", ".join(unknown) or "none is named"
        raise ValueError(f"providers: {named}: this ONNX Runtime has {', '.join(available)}")
    try:
        session = open_session(path, threads, providers)
    except Exception as error:  # onnxruntime's errors share no base class but Exception
        raise ValueError(f"ONNX Runtime cannot load {path}: {error}") from error
    # ONNX Runtime drops a provider whose libraries are missing, with nothing but a warning.
    lacking = [name for name in providers if name not in session.get_providers()]
    if lacking:
        raise ValueError(f"providers: {', '.join(lacking)}: does not work on this machine; {CPU} does")
    return session


def _description(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise ValueError(f"{path} does not say how to prepare its pictures: its metadata lack {METADATA_KEY!r}")
    try:
        description = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the description inside {path} is damaged: {error}") from error
    missing = _NEEDED - description.keys() if isinstance(description, dict) else _NEEDED
    if missing:
        raise ValueError(f"{path} does not describe itself fully: its metadata lack {', '.join(sorted(missing))}")
    check_temperature(description.get("temperature", 1))
    return dict(description)
