"""The paper's claims, tested at the scale that CPUs allow: writes docs/paper.md."""
