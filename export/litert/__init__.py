"""LiteRT (TensorFlow Lite) models, written directly as flatbuffers, and how they are run."""
