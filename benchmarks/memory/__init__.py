"""Memory that a call takes: folded chains beside residual nets, in ONNX Runtime and in LiteRT."""
