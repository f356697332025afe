"""Inference without PyTorch: all it needs is ONNX Runtime, numpy and Pillow."""

from export.runtime.classifier import Classifier

__all__ = ["Classifier"]
