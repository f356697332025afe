"""The pages that describe weights."""
