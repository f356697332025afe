"""The int8 form of a net: static post-training quantization, its record, its ONNX graph. README.md draws the flow."""
