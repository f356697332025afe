"""The formats that a folded net is written in: how each is made, checked, run and described."""
