"""Residual nets as int8 LiteRT models, to compare with: quantised as folded chains are, and emitted alike."""
