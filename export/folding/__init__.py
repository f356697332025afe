"""Folds Dirac layers into a plain chain, and unfolds them again."""
