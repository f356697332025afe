"""The paper's claims, tried at the scale that processors allow: writes docs/paper.md."""
