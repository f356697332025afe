"""Inference without PyTorch: ONNX Runtime, numpy and Pillow are all that it needs."""

from export.runtime.classifier import Classifier

__all__ = ["Classifier"]
