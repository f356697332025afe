"""The ONNX formats: float32, float16 and int8. Each has one graph for normalized tensors and one for raw pictures."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from torch import Tensor

from export.cards.note import FormatNote
from export.formats.format import GOLDEN_INT8, Bundle, Format, Limits, Run, Source
from export.graphs.emit import with_metadata
from export.graphs.half import LARGEST, to_half
from export.graphs.half import OPERATORS as HALF_OPERATORS
from export.graphs.pictures import OPERATORS as PREPROCESSING_OPERATORS
from export.graphs.pictures import take_pictures
from export.int8.graph import quantize
from export.int8.reference import rounding_deviation
from export.layout import EXACT, GRAPHS, INPUT, OUTPUT, PICTURES
from export.proof.check import Check
from export.proof.graph import Arithmetic, Case, check_graph, check_range, floating, integral
from export.proof.inputs import picture_inputs, tensor_inputs
from export.runtime.sessions import open_session
from zoo import Preprocessing, Spec


class OnnxFormat(Format):
    """An ONNX graph, made by transforming the float32 graph."""

    summary: str
    """The arithmetic, in the words of the card."""
    operators: frozenset[str] = frozenset()
    """Operators that it may have in addition to those of the float32 graph."""
    largest: float | None = None
    """The largest number that it can hold, if a net's values may come close to it."""
    golden: float | None = None
    """Limit on the difference from the golden outputs, which are the float net's; None for the tolerance."""
    reference: str = "PyTorch"
    """What its outputs are compared with, in the words of the checks."""

    @abstractmethod
    def transform(self, source: Source) -> onnx.ModelProto:
        """Return the graph for tensors; the source's float32 graph must stay as it is."""

    @abstractmethod
    def tolerance(self, spec: Spec) -> float:
        """Return the limit on the difference between its outputs and its arithmetic's, relative to the largest."""

    def smallest(self, bundle: Bundle) -> float:  # noqa: ARG002 (int8 uses it)
        """Return what the difference between logits is relative to at least."""
        return 0.0

    def arithmetic(self, bundle: Bundle) -> Arithmetic:
        """Return what the graph's layers should compute."""
        return floating(bundle.folded.net)

    def metadata(self, source: Source) -> Mapping[str, Any]:  # noqa: ARG002 (subclasses use it)
        """Return the format's own metadata, which are added to those that all graphs have."""
        return {}

    def files(self, name: str = "") -> tuple[str, str]:  # noqa: ARG002 (the same for all)
        graph = GRAPHS[self.name]
        return graph.path, graph.pictures

    def note(self, description: Mapping[str, Any], repository: str) -> FormatNote:  # noqa: ARG002 (int8 uses it)
        path, pictures = self.files()
        spec = Spec.from_dict(description["spec"])
        words = f"the folded net, {self.summary}; input"
        return FormatNote(
            files={
                path: f"{words} `{INPUT}` float32 [batch, channels, height, width], output `{OUTPUT}`",
                pictures: f"{words} `{PICTURES}` uint8 [batch, height, width, channels], of the net's size, output "
                f"`{OUTPUT}`",
            },
            accuracy=f"not measured; outputs within {self.tolerance(spec):.2g} of the measured net's",
        )

    def derive(self, source: Source) -> Iterator[tuple[str, bytes]]:
        graph = self.transform(source)
        for path, takes_pictures in zip(self.files(), (False, True), strict=True):
            taking = take_pictures(graph, source.preprocessing) if takes_pictures else graph
            described = with_metadata(taking, {**self._about(source, takes_pictures), **self.metadata(source)})
            yield path, described.SerializeToString(deterministic=True)

    def check(self, bundle: Bundle) -> Iterator[Check]:
        checkpoint, features = bundle.folded.checkpoint, bundle.features
        preprocessing = checkpoint.known_preprocessing()
        batch, pictures = bundle.golden[INPUT], bundle.golden[PICTURES]
        golden = [bundle.golden[name].numpy() for name in (OUTPUT, *features)]
        size = f"{len(pictures)}×{preprocessing.size}×{preprocessing.size}"
        if self.largest is not None:
            yield check_range(self.name, self.largest, bundle.folded.net, batch)
        arithmetic, smallest = self.arithmetic(bundle), self.smallest(bundle)
        tolerance = self.tolerance(checkpoint.spec)
        for title, path, operators, inputs, feed in (
            (self.name, self.files()[0], frozenset(), tensor_inputs(checkpoint.spec, preprocessing), batch),
            (
                f"{self.name}, pictures",
                self.files()[1],
                PREPROCESSING_OPERATORS,
                picture_inputs(preprocessing),
                pictures,
            ),
        ):
            cases = [
                Case(name, drawn, fed, arithmetic.results(drawn, features), tolerance, self.reference, smallest)
                for name, drawn, fed in inputs
            ]
            limit = tolerance if self.golden is None else self.golden
            cases.append(Case(size, batch, feed.numpy(), golden, limit, "golden outputs"))
            allowed = self.operators | operators
            yield from check_graph(bundle.folder / path, title, allowed, arithmetic, cases)

    def runs(self, folder: Path, preprocessing: Preprocessing) -> Iterator[tuple[str, Run]]:
        for path in self.files():
            if (folder / path).is_file():
                yield path, given_pictures(open_session(folder / path), preprocessing)

    def _about(self, source: Source, takes_pictures: bool) -> dict[str, Any]:
        """Return the metadata that all graphs have: the net's description and facts about the graph itself."""
        taken = {
            "name": PICTURES if takes_pictures else INPUT,
            "type": "uint8" if takes_pictures else "float32",
            "layout": "NHWC" if takes_pictures else "NCHW",
        }
        return {**source.about(self.name, taken), "preprocessing_inside": takes_pictures}


class Float32(OnnxFormat):
    """The graph as it is emitted; every bundle has it."""

    name, summary = "fp32", "float32"

    def tolerance(self, spec: Spec) -> float:  # noqa: ARG002 (the same for all)
        return 1e-4

    def transform(self, source: Source) -> onnx.ModelProto:
        return source.graph


class Float16(OnnxFormat):
    """Weights and arithmetic in float16, between a float32 input and float32 outputs."""

    name, summary = "fp16", "float16 inside, float32 outside"
    operators = HALF_OPERATORS
    largest = LARGEST

    def tolerance(self, spec: Spec) -> float:
        """Return three times the error that independent roundings accumulate.

        Each layer rounds its weights and its output with a relative error of at most u = 2⁻¹¹. These errors are
        independent, so over n layers they grow like the square root of their number: u · √(2 n). What is compared is
        the worst of some two hundred logits, and the largest of so many normal values lies at three deviations.
        """
        return 3 * 2**-11 * math.sqrt(2 * spec.layers)

    def transform(self, source: Source) -> onnx.ModelProto:
        return to_half(source.graph)


class Int8(OnnxFormat):
    """Weights in int8 and activations in uint8, as given by the net's quantization record."""

    name, summary = "int8", "int8 inside, float32 outside"
    operators = frozenset({"DequantizeLinear", "LeakyRelu", "Mul", "QuantizeLinear"})
    golden = GOLDEN_INT8
    reference = "integer arithmetic"
    limits = Limits(top1=0.3, disagreement=2.5)

    def tolerance(self, spec: Spec) -> float:  # noqa: ARG002 (the same for all)
        return 2e-2

    def smallest(self, bundle: Bundle) -> float:
        """Return the size of logits of which the tolerance is three deviations by rounding."""
        deviation = rounding_deviation(bundle.folded.net, bundle.quantization)
        return 3 * deviation / self.tolerance(bundle.folded.checkpoint.spec)

    def transform(self, source: Source) -> onnx.ModelProto:
        return quantize(source.graph, source.known_quantization())

    def arithmetic(self, bundle: Bundle) -> Arithmetic:
        return integral(bundle.folded.net, bundle.quantization)

    def metadata(self, source: Source) -> Mapping[str, Any]:
        return {"calibration": source.quantization.calibration} if source.quantization else {}

    def note(self, description: Mapping[str, Any], repository: str) -> FormatNote:
        (name, value), path = EXACT, self.files()[0]
        return FormatNote(
            files=super().note(description, repository).files,
            # Its tolerance is against integer arithmetic and says nothing about the cost of quantization.
            accuracy="not measured here; `diracnet verify FOLDER --data DATA` measures it",
            usage=(
                "On an x86 processor without VNNI the int8 graph needs a session entry, or its sums overflow; the "
                "command line and `Classifier` set it where the processor is not known to have VNNI:",
                "",
                "```python",
                "options = onnxruntime.SessionOptions()",
                f'options.add_session_config_entry("{name}", "{value}")',
                f'session = onnxruntime.InferenceSession(hf_hub_download("{repository}", "{path}"), options)',
                "```",
                "",
            ),
        )


def given_pictures(session: onnxruntime.InferenceSession, preprocessing: Preprocessing) -> Run:
    """Return what gives uint8 pictures to a graph, whether it takes those or normalized tensors, and returns logits."""
    name = session.get_inputs()[0].name

    def run(pictures: Tensor) -> Tensor:
        taken = pictures.permute(0, 2, 3, 1) if name == PICTURES else preprocessing.normalize(pictures)
        return torch.from_numpy(session.run([OUTPUT], {name: taken.contiguous().numpy()})[0])

    return run
