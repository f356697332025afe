"""The same bundle in other runtimes: how far their logits are from ONNX Runtime's, how often the answer is the same."""
