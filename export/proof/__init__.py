"""Checks, which compare figures with limits."""
