"""The static site: a gallery of the nets, a page for each, built from `checkpoints/` and the reports in `docs/`."""
