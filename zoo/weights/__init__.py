"""Weights: records, files, the Hub."""
