"""Checks: figures with limits."""
