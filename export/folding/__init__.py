"""From Dirac layers to a plain chain, and back."""
