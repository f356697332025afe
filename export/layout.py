"""What lies where in a bundle, and in which forms. Imports no other package, so that inference without PyTorch can."""

from __future__ import annotations

from dataclasses import dataclass

FOLDED = "model.safetensors"
TRAINING_FORM = "dirac/model.safetensors"
TRAINING_CONFIG = "dirac/config.json"
CONFIG = "config.json"
CARD = "README.md"
REPORT = "report.json"
SUMS = "SHA256SUMS"

INPUT, OUTPUT = "pixel_values", "logits"
"""Names of the graph's input and output."""
METADATA_KEY = "diracnet"
"""Under which the graph describes itself, in JSON."""


@dataclass(frozen=True)
class Form:
    """A number format of the ONNX graph.

    Args:
        path: of the graph, as the Hub's tools name it.
    """

    path: str


FORMS = {"fp32": Form("onnx/model.onnx")}
"""Name → form."""
GRAPH = FORMS["fp32"].path

FILES = {
    FOLDED: "the folded net: plain convolutions with bias, float32",
    TRAINING_FORM: "the training form, with alpha, beta and BatchNorm, for fine-tuning",
    TRAINING_CONFIG: "structure and preprocessing of the training form",
    GRAPH: "the folded net; input `pixel_values` [batch, channels, height, width], output `logits`",
    CONFIG: "structure and preprocessing, and where they are known labels and accuracy",
    REPORT: "every check of the export with its figure",
    SUMS: "for `sha256sum -c SHA256SUMS`",
}
"""What each file is, in the card's words."""
