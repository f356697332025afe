"""Timings. Two things are always timed in alternation, and what is reported is their ratio, round by round."""
