"""Bundles: which files they contain, how they are written and how they are checked."""
