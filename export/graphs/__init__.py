"""ONNX graphs: the float32 graph and the transformations of it."""
