"""The names of a bundle's files and of what is in them. Imports only names, so that it does not load PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.layout import CONFIG as CONFIG
from zoo.layout import GRAPH as GRAPH
from zoo.layout import TRAINING_CONFIG as TRAINING_CONFIG
from zoo.layout import TRAINING_FORM as TRAINING_FORM
from zoo.layout import WEIGHTS

FOLDED = WEIGHTS

PREPROCESSOR = "preprocessor_config.json"
LABELS = "labels.txt"
GOLDEN = "golden.safetensors"
QUANTIZATION = "onnx/quantization.safetensors"
CARD = "README.md"
REPORT = "report.json"
SUMS = "SHA256SUMS"
SIGNATURE = "model.sig"
"""The name that OpenSSF Model Signing gives its signatures."""

MODEL_TYPE = "diracnet"
"""What config.json calls the model's type, as transformers does."""
FEATURES = "features"
"""Key of config.json that lists the inner outputs that the graphs give in addition to the logits."""

INPUT, PICTURES, OUTPUT = "pixel_values", "pictures", "logits"
"""Names of a graph's input if it takes normalized tensors, of its input if it takes raw pictures, and of its output."""
METADATA_KEY = "diracnet"
"""Metadata key under which a graph holds its description, in JSON."""


FOLD_TOLERANCE = 1e-5
"""Limit on the difference between the folded file's logits and the training form's, relative to the largest."""
EXACT = ("session.x64quantprecision", "1")
"""Session entry that makes int8 arithmetic exact in ONNX Runtime on x86 processors; see `export.runtime.sessions`."""


@dataclass(frozen=True)
class Graph:
    """The paths of an ONNX graph, which is written twice: for normalized tensors and for raw pictures."""

    path: str

    @property
    def pictures(self) -> str:
        """Path of the graph for raw pictures."""
        return f"{self.path.removesuffix('.onnx')}_pictures.onnx"


GRAPHS = {
    "fp32": Graph(GRAPH),
    "fp16": Graph("onnx/model_fp16.onnx"),
    "int8": Graph("onnx/model_quantized.onnx"),
}
"""The graphs of each precision, named as the Hub's tools expect; `export.formats` makes and checks them."""

LITERT, LITERT_INT8 = "litert/model.tflite", "litert/model_int8.tflite"
"""The LiteRT (TensorFlow Lite) models."""

FILES = {
    FOLDED: "the folded net: plain convolutions with bias, float32",
    TRAINING_FORM: "the training form, with alpha, beta and BatchNorm, for fine-tuning",
    TRAINING_CONFIG: "structure and preprocessing of the training form",
    CONFIG: "structure and preprocessing, with labels and accuracy where they are known",
    PREPROCESSOR: "preprocessing, as transformers and transformers.js read it",
    LABELS: "name of each class, one a line",
    QUANTIZATION: "what turns the float32 graph into the int8 one: integer weights and biases, and the scales",
    GOLDEN: "a few inputs with the logits that any runtime must give for them",
    REPORT: "every check of the export with its figure, and how the bundle was made",
    SUMS: "for `sha256sum -c SHA256SUMS`",
}
"""What the card says about each file; the formats' own files, from `export.formats`, follow the training form's."""
