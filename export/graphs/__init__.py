"""ONNX: the float32 graph and what is made from it."""
