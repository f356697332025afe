"""Export of DiracNets: folding, ONNX, bundles with proof that each file equals its source."""
