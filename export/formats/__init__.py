"""The formats that a folded net can be written in: how each is made, checked, run and described."""
