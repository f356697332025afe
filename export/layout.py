"""What lies where in a bundle, and in which forms. Imports no other package, so that inference without PyTorch can."""

from __future__ import annotations

from dataclasses import dataclass

FOLDED = "model.safetensors"
TRAINING_FORM = "dirac/model.safetensors"
TRAINING_CONFIG = "dirac/config.json"
CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
LABELS = "labels.txt"
GOLDEN = "golden.safetensors"
QUANTIZATION = "onnx/quantization.safetensors"
CARD = "README.md"
REPORT = "report.json"
SUMS = "SHA256SUMS"

INPUT, PICTURES, OUTPUT = "pixel_values", "pictures", "logits"
"""Names of a graph's input, where it is a normalized tensor and where it is raw pictures, and of its output."""
METADATA_KEY = "diracnet"
"""Under which a graph describes itself, in JSON."""


@dataclass(frozen=True)
class Form:
    """A number format of the ONNX graph. Each is written twice: for normalized tensors and for raw pictures.

    Args:
        path: of the graph for tensors, as the Hub's tools name it.
        summary: what it is, in the card's words.
        tolerance: limit on the difference of its outputs from what its arithmetic must come to, relative to the
            largest.
        operators: that it may have beside those of a folded net.
        largest: the largest number that it can hold, if a net's values could come near.
        golden: limit on the difference from the golden outputs, if it is another: those are the float net's.
    """

    path: str
    summary: str
    tolerance: float
    operators: frozenset[str] = frozenset()
    largest: float | None = None
    golden: float | None = None

    @property
    def pictures(self) -> str:
        """Path of the graph for raw pictures."""
        return f"{self.path.removesuffix('.onnx')}_pictures.onnx"


FORMS = {
    "fp32": Form("onnx/model.onnx", "float32", 1e-4),
    "fp16": Form("onnx/model_fp16.onnx", "float16 inside, float32 outside", 5e-3, frozenset({"Cast"}), largest=65504.0),
    "int8": Form(
        "onnx/model_quantized.onnx",
        "int8 inside, float32 outside",
        2e-2,  # where a runtime sums in float32, a value between two whole numbers may be rounded the other way
        frozenset({"DequantizeLinear", "LeakyRelu", "Mul", "QuantizeLinear"}),
        golden=1.0,  # on pictures unlike any that grids were made for
    ),
}
"""Name → form, in the order in which they are written. What makes each is in `export.bundle.forms`."""
GRAPH = FORMS["fp32"].path

FILES = {
    FOLDED: "the folded net: plain convolutions with bias, float32",
    TRAINING_FORM: "the training form, with alpha, beta and BatchNorm, for fine-tuning",
    TRAINING_CONFIG: "structure and preprocessing of the training form",
    **{
        path: f"the folded net, {form.summary}; input {takes}, output `{OUTPUT}`"
        for form in FORMS.values()
        for path, takes in (
            (form.path, f"`{INPUT}` float32 [batch, channels, height, width]"),
            (form.pictures, f"`{PICTURES}` uint8 [batch, height, width, channels], of the net's size"),
        )
    },
    CONFIG: "structure and preprocessing, and where they are known labels and accuracy",
    PREPROCESSOR: "preprocessing, as transformers and transformers.js read it",
    LABELS: "name of each class, one a line",
    QUANTIZATION: "what makes the float32 graph the int8 one: weights and biases as whole numbers, the scale of each",
    GOLDEN: "a few inputs with the logits that any runtime must give for them",
    REPORT: "every check of the export with its figure",
    SUMS: "for `sha256sum -c SHA256SUMS`",
}
"""What each file is, in the card's words."""
