"""What the shipped nets do beyond their top-1: writes docs/figures.json, docs/figures.md and its plots."""
