"""The LiteRT (TensorFlow Lite) formats: float32 and full integer, for phones, microcontrollers and NPUs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.cards.note import FormatNote
from export.formats.format import GOLDEN_INT8, Bundle, Format, Limits, Run, Source
from export.integer.net import OFFSET, lower
from export.integer.run import evaluate
from export.layout import LITERT, LITERT_INT8, OUTPUT, PICTURES
from export.litert.float32 import emit_float32
from export.litert.graph import Graph
from export.litert.int8 import emit_int8
from export.litert.interpreter import KERNELS, Interpreter
from export.litert.metadata import described
from export.proof.check import Check
from export.proof.graph import floating
from export.proof.inputs import picture_inputs
from export.proof.litert import OPERATORS, ModelCase, check_model, dequantized
from zoo import Preprocessing


class LiteRTFormat(Format):
    """A LiteRT model with metadata, which takes normalized pictures, channels last."""

    path: str
    """Of the model in a bundle."""
    type: str
    """Of its input and output."""
    summary: str
    """Its arithmetic, in the words of the card."""
    pixels: str
    """What its input's numbers are, in the words of the card."""
    accuracy: str
    """How close its answers are, in the words of the card."""

    @abstractmethod
    def emit(self, source: Source) -> Graph:
        """Return the model."""

    @abstractmethod
    def cases(self, bundle: Bundle) -> Iterator[ModelCase]:
        """Yield batches with the logits that the model should give for them."""

    @abstractmethod
    def feed(self, pictures: NDArray[np.uint8]) -> NDArray[Any]:
        """Return pictures, uint8 (batch, size, size, channels), as the model takes them."""

    def files(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 (the same for all)
        return (self.path,)

    def note(self, description: Mapping[str, Any], repository: str) -> FormatNote:
        size, channels = description["preprocessing"]["size"], description["spec"]["in_channels"]
        words = f"LiteRT (TensorFlow Lite) model, {self.summary}; input `{PICTURES}` {self.type} "
        return FormatNote(
            files={
                self.path: f"{words}[1, {size}, {size}, {channels}], {self.pixels}, output `{OUTPUT}` {self.type}; "
                "metadata inside"
            },
            accuracy=self.accuracy,
            usage=self.usage(repository),
        )

    def usage(self, repository: str) -> tuple[str, ...]:  # noqa: ARG002 (float32 uses it)
        """Return the lines of the card on using the model."""
        return ()

    def derive(self, source: Source) -> Iterator[tuple[str, bytes]]:
        about = source.about(self.name, {"name": PICTURES, "type": self.type, "layout": "NHWC"})
        yield self.path, described(self.emit(source), about, source.preprocessing, source.folded.checkpoint.labels)

    def check(self, bundle: Bundle) -> Iterator[Check]:
        yield from check_model(bundle.folder / self.path, self.name, list(self.cases(bundle)), OPERATORS)

    def runs(self, folder: Path, preprocessing: Preprocessing) -> Iterator[tuple[str, Run]]:  # noqa: ARG002
        if not (folder / self.path).is_file():
            return
        interpreter = Interpreter(folder / self.path, threads=torch.get_num_threads())

        def run(pictures: Tensor) -> Tensor:
            logits = interpreter.run(self.feed(pictures.permute(0, 2, 3, 1).numpy()))
            return torch.from_numpy(dequantized(interpreter, logits))

        yield self.path, run


class LiteRTFloat32(LiteRTFormat):
    """The folded net in float32."""

    name, path, type, summary = "litert", LITERT, "float32", "float32"
    pixels = "pixels divided by 255"
    tolerance = 1e-4
    accuracy = f"not measured; outputs within {tolerance:g} of the measured net's"

    def emit(self, source: Source) -> Graph:
        return emit_float32(source.folded.net, source.preprocessing)

    def cases(self, bundle: Bundle) -> Iterator[ModelCase]:
        limits, preprocessing = dict.fromkeys(KERNELS, self.tolerance), bundle.folded.checkpoint.known_preprocessing()
        for name, batch, drawn in picture_inputs(preprocessing):
            (logits,) = floating(bundle.folded.net).results(batch)
            yield ModelCase(name, self.feed(drawn), logits, "PyTorch", limits)
        pictures, logits = bundle.golden[PICTURES].numpy(), bundle.golden[OUTPUT].numpy()
        yield ModelCase(_size(pictures), self.feed(pictures), logits, "golden outputs", limits)

    def feed(self, pictures: NDArray[np.uint8]) -> NDArray[Any]:
        return pictures.astype(np.float32) / np.float32(255)

    def usage(self, repository: str) -> tuple[str, ...]:
        return (
            "LiteRT, on phones and other devices; the models normalize pictures themselves, so these are only resized "
            "and cropped. Metadata in the files say the same to Android's and MediaPipe's image classifiers:",
            "",
            "```python",
            "import numpy as np",
            "from ai_edge_litert.interpreter import Interpreter",
            "from huggingface_hub import hf_hub_download",
            "",
            f'interpreter = Interpreter(hf_hub_download("{repository}", "{self.path}"))',
            "run = interpreter.get_signature_runner()",
            f'shape = run.get_input_details()["{PICTURES}"]["shape"]',
            f'{OUTPUT} = run({PICTURES}=np.zeros(shape, np.float32))["{OUTPUT}"]',
            "```",
            "",
        )


class LiteRTInt8(LiteRTFormat):
    """The net in integers, from the picture to the logits; see `export.integer`."""

    name, path, type, summary = "litert-int8", LITERT_INT8, "int8", "int8 throughout"
    pixels = "pixels minus 128"
    accuracy = "not measured here; `diracnet verify FOLDER --data DATA` measures it"
    limits = Limits(top1=0.3, disagreement=2.5)
    default = 0.25  # LiteRT's fast kernels round a sum once, and a step that differs in one layer goes on in the next
    golden = GOLDEN_INT8

    def emit(self, source: Source) -> Graph:
        return emit_int8(source.integer_net)

    def cases(self, bundle: Bundle) -> Iterator[ModelCase]:
        preprocessing = bundle.folded.checkpoint.known_preprocessing()
        net = lower(bundle.folded.net, bundle.quantization, preprocessing)
        limits = {"reference": 0.0, "default": self.default}
        batches = [(name, drawn) for name, _, drawn in picture_inputs(preprocessing)]
        pictures = bundle.golden[PICTURES].numpy()
        for name, batch in (*batches, (_size(pictures), pictures)):
            logits = net.dequantized(evaluate(net, batch))
            yield ModelCase(name, self.feed(batch), logits, "integer arithmetic", limits, whole=len(batch) == 1)
        logits, loose = bundle.golden[OUTPUT].numpy(), dict.fromkeys(KERNELS, self.golden)
        yield ModelCase(_size(pictures), self.feed(pictures), logits, "golden outputs", loose)

    def feed(self, pictures: NDArray[np.uint8]) -> NDArray[Any]:
        return (pictures.astype(np.int16) - OFFSET).astype(np.int8)


def _size(pictures: NDArray[np.uint8]) -> str:
    return "×".join(map(str, pictures.shape[:3]))
