"""The same bundle in other runtimes: how much their logits and answers differ from ONNX Runtime's."""
